package fig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// processStart is the clock of a program that is not a notebook.
var processStart = time.Now()

// stamp is a file whose modification time is the start of the notebook's run. It lies in the kernel's temporary folder,
// which all cells of one kernel share and which goes with the kernel; "" outside a notebook.
func (nb *Notebook) stamp() string {
	dir := os.Getenv("GONB_TMP_DIR")
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, nb.name+".begin")
}

func (nb *Notebook) startClock(now time.Time) error {
	stamp := nb.stamp()
	if stamp == "" {
		return nil
	}
	if err := errors.Join(os.WriteFile(stamp, nil, 0o644), os.Chtimes(stamp, now, now)); err != nil {
		return fmt.Errorf("fig: starting the notebook's clock: %w", err)
	}
	return nil
}

// seconds since Begin; ok is false when Begin did not run in this kernel.
func (nb *Notebook) seconds(now time.Time) (s float64, ok bool) {
	stamp := nb.stamp()
	if stamp == "" {
		return now.Sub(processStart).Seconds(), true
	}
	info, err := os.Stat(stamp)
	if err != nil {
		return 0, false
	}
	return now.Sub(info.ModTime()).Seconds(), true
}
