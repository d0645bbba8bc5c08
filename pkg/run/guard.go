package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// unguardable are the answers of file systems that know no such locks. There the creation of the lock file, which is
// exclusive everywhere, must do.
var unguardable = []error{syscall.ENOSYS, syscall.ENOTSUP, syscall.ENOLCK, syscall.EINVAL}

// guarded runs f alone among all processes and goroutines that call guarded on dir. f must be short.
func guarded(dir string, f func() error) error {
	guard, err := os.OpenFile(filepath.Join(dir, guardFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("run: lock: %w", err)
	}
	defer guard.Close() // and so its lock
	for {
		err := syscall.Flock(int(guard.Fd()), syscall.LOCK_EX)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil && !slices.ContainsFunc(unguardable, func(e error) bool { return errors.Is(err, e) }) {
			return fmt.Errorf("run: lock: %w", err)
		}
		return f()
	}
}
