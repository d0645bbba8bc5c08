package run

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// holder is the content of a lock file.
type holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Space   string    `json:"space"` // in which the pid means something: boot and pid namespace (containers share host names)
	Token   string    `json:"token"` // of this one time that the lock was taken
	Started time.Time `json:"started"`
}

func thisHolder() holder {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return holder{PID: os.Getpid(), Host: host, Space: pidSpace(), Token: rand.Text(), Started: time.Now().UTC().Truncate(time.Second)}
}

func pidSpace() string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, _ := os.Readlink("/proc/self/ns/pid")
	return strings.TrimSpace(string(boot)) + " " + space // where both are missing the host's name alone decides
}

func (h holder) String() string { return fmt.Sprintf("process %d on %s", h.PID, h.Host) }

// stale says that nobody is behind the lock any more.
func (h holder) stale(age time.Duration) bool { return age > beatStale || h.dead() }

// dead says that the process has certainly ended; of other hosts it knows nothing.
func (h holder) dead() bool {
	self := thisHolder()
	if h.Host != self.Host || h.Space != self.Space || h.PID <= 0 {
		return false
	}
	return errors.Is(syscall.Kill(h.PID, 0), syscall.ESRCH)
}

// create makes the lock file, which must not exist.
func (h holder) create(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: another process has just taken %s", ErrRunning, path)
	}
	if err != nil {
		return fmt.Errorf("run: lock: %w", err)
	}
	if err := errors.Join(h.writeTo(f), f.Close()); err != nil {
		os.Remove(path)
		return fmt.Errorf("run: lock: %w", err)
	}
	return nil
}

// touch writes the same content again, which sets the file's time by the clock of the file system.
func (h holder) touch(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(h.writeTo(f), f.Close())
}

func (h holder) writeTo(f *os.File) error {
	blob, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(blob, 0)
	return err
}

const maxLock = 4 << 10 // bytes

// readHolder returns who holds the lock of dir, and for how long there was no sign of life. A file that is not readable
// as a lock, because its writer died or is at it, has a holder that nobody knows and is judged by its age alone.
func readHolder(dir string) (h holder, age time.Duration, err error) {
	path := filepath.Join(dir, lockFile)
	info, err := os.Stat(path)
	if err != nil {
		return holder{}, 0, err
	}
	blob, err := readSmall(path, maxLock)
	if err != nil {
		return holder{}, 0, err
	}
	if json.Unmarshal(blob, &h) != nil {
		h = holder{Host: "an unknown host"}
	}
	now, err := diskTime(dir)
	return h, now.Sub(info.ModTime()), err
}

// diskTime is the present by the clock that gives files their times, which may be another computer's.
func diskTime(dir string) (time.Time, error) {
	f, err := os.CreateTemp(dir, probePrefix+"*")
	if err != nil {
		return time.Now(), nil // a reader that may not write has its own clock only
	}
	defer os.Remove(f.Name())
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}
