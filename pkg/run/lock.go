package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ErrRunning says that another process, or another part of this one, is at work on a run.
var ErrRunning = errors.New("run: at work elsewhere")

// The lock of a folder is the file lockFile. Its content says who holds it, its time of change when the holder last
// showed a sign of life. All its changes happen under guardFile, which the kernel locks and, when a process dies, unlocks;
// so nobody takes over a lock that somebody else has just taken over.
const (
	lockFile  = "lock"
	guardFile = ".guard"
	beatEvery = 2 * time.Second
	beatStale = 20 * time.Second // without a sign of life
	lockPoll  = 200 * time.Millisecond
)

// Lock takes the lock of a folder, which must exist, and shows signs of life until release is called. Where a living
// process holds it, the error wraps ErrRunning, or, with wait, Lock waits until it is free or ctx ends. A lock is free
// when its holder has released it, died (which is seen at once on the same host) or shown no sign of life for 20 s; of
// several that try to take it over one succeeds. The error of release wraps ErrRunning if the lock was lost to another.
func Lock(ctx context.Context, dir string, wait bool) (release func() error, err error) {
	l, err := acquire(ctx, dir, wait)
	if err != nil {
		return nil, err
	}
	return l.release, nil
}

// lease is a lock held by this process.
type lease struct {
	dir  string
	self holder
	stop chan struct{}
	beat sync.WaitGroup

	once sync.Once
	err  error // of the release
}

func acquire(ctx context.Context, dir string, wait bool) (*lease, error) {
	l := &lease{dir: dir, self: thisHolder(), stop: make(chan struct{})}
	for {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("run: waiting for %s: %w", dir, context.Cause(ctx))
		}
		err := guarded(dir, func() error { return l.take() })
		if err == nil {
			l.beat.Go(l.live)
			return l, nil
		}
		if !wait || !errors.Is(err, ErrRunning) {
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(lockPoll):
		}
	}
}

func (l *lease) path() string { return filepath.Join(l.dir, lockFile) }

// take makes the lock file, or replaces a stale one.
func (l *lease) take() error {
	switch h, age, err := readHolder(l.dir); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	case !h.stale(age):
		return fmt.Errorf("%w: %s holds %s, last sign of life %s ago", ErrRunning, h, l.path(), age.Round(time.Second/10))
	default:
		if err := os.Remove(l.path()); err != nil {
			return fmt.Errorf("run: stale lock: %w", err)
		}
	}
	return l.self.create(l.path())
}

// held returns an error that wraps ErrRunning when another has taken the lock over.
func (l *lease) held() error {
	h, _, err := readHolder(l.dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: the lock of %s was taken away", ErrRunning, l.dir)
	case err != nil:
		return err
	case h.Token != l.self.Token:
		return fmt.Errorf("%w: %s has taken over the lock of %s, because this process showed no sign of life", ErrRunning, h, l.dir)
	}
	return nil
}

// live shows signs of life until the release, or the loss of the lock.
func (l *lease) live() {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		err := guarded(l.dir, func() error {
			if err := l.held(); err != nil {
				return err
			}
			return l.self.touch(l.path())
		})
		if errors.Is(err, ErrRunning) {
			return
		} // other errors may pass before the lock is stale
	}
}

func (l *lease) release() error {
	l.once.Do(func() {
		close(l.stop)
		l.beat.Wait()
		l.err = guarded(l.dir, func() error {
			if err := l.held(); err != nil {
				return err
			}
			return os.Remove(l.path())
		})
	})
	return l.err
}
