package run

import "testing"

func TestUnknown(t *testing.T) {
	for want, err := range map[string]error{
		`law = "mons", did you mean "moons"? Want one of ring, moons`: Unknown("law", "mons", "ring", "moons"),
		`law = "gaussian", want one of ring, moons`:                   Unknown("law", "gaussian", "ring", "moons"),
		`law = "x", want one of `:                                     Unknown("law", "x"),
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}
