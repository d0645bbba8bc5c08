package run

import (
	"fmt"
	"strings"
)

// Unknown is the error about a name that is none of the known ones: it lists them, and names the nearest one.
func Unknown(what, name string, known ...string) error {
	list := strings.Join(known, ", ")
	if len(known) > 0 {
		if best, near := nearest(name, known); near {
			return fmt.Errorf("%s = %q, did you mean %q? Want one of %s", what, name, best, list)
		}
	}
	return fmt.Errorf("%s = %q, want one of %s", what, name, list)
}
