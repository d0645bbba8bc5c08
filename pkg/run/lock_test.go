package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func mustLock(t *testing.T, dir string) func() error {
	t.Helper()
	release, err := Lock(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

// forge leaves a lock of another process, whose last sign of life is so old.
func forge(t *testing.T, dir string, h holder, age time.Duration) {
	t.Helper()
	if h.Token == "" {
		h.Token = "forged"
	}
	path := filepath.Join(dir, lockFile)
	os.Remove(path)
	if err := h.create(path); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-age)
	if err := os.Chtimes(path, past, past); err != nil {
		t.Fatal(err)
	}
}

// deadPID is the number of a process that has ended.
func deadPID(t *testing.T) int {
	t.Helper()
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid
}

// TestLock: one holder at a time; the message says who it is.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	release := mustLock(t, dir)
	_, err := Lock(t.Context(), dir, false)
	host, _ := os.Hostname()
	if !errors.Is(err, ErrRunning) || ExitCode(err) != ExitRetry {
		t.Fatalf("second lock: %v", err)
	}
	for _, says := range []string{fmt.Sprint("process ", os.Getpid()), host, "ago"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q does not say %q", err, says)
		}
	}
	for range 2 {
		if err := release(); err != nil {
			t.Errorf("release: %v", err)
		}
	}
	mustLock(t, dir)()
	if _, err := Lock(t.Context(), filepath.Join(dir, "missing"), false); err == nil || errors.Is(err, ErrRunning) {
		t.Errorf("lock of a missing folder: %v", err)
	}
}

// TestLockWaits: a waiting contender gets the lock when it is free, and its context's cause when that ends first.
func TestLockWaits(t *testing.T) {
	dir := t.TempDir()
	release := mustLock(t, dir)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("no time")
	time.AfterFunc(lockPoll/2, func() { cancel(why) })
	if _, err := Lock(ctx, dir, true); !errors.Is(err, why) {
		t.Errorf("got %v, want the cause", err)
	}
	time.AfterFunc(lockPoll/2, func() { release() })
	again, err := Lock(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}

// TestStale: which locks are free for the taking.
func TestStale(t *testing.T) {
	self := thisHolder()
	dead := self
	dead.PID = deadPID(t)
	elsewhere := dead
	elsewhere.Host = "elsewhere"
	container := dead
	container.Space = "another pid namespace"
	for _, c := range []struct {
		name string
		h    holder
		age  time.Duration
		free bool
	}{
		{"alive", self, 0, false},
		{"silent", self, beatStale + time.Second, true},
		{"nearly silent", self, beatStale - 5*time.Second, false},
		{"dead", dead, 0, true},
		{"another host", elsewhere, 0, false},
		{"another host, silent", elsewhere, beatStale + time.Second, true},
		{"another container", container, 0, false},
		{"from the future", self, -time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			forge(t, dir, c.h, c.age)
			release, err := Lock(t.Context(), dir, false)
			if free := err == nil; free != c.free || !free && !errors.Is(err, ErrRunning) {
				t.Errorf("got %v, want it free: %t", err, c.free)
			}
			if err == nil {
				release()
			}
		})
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, lockFile), []byte("{\"pid\":"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(t.Context(), dir, false); !errors.Is(err, ErrRunning) {
		t.Errorf("a lock that is being written: %v", err)
	}
	past := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(dir, lockFile), past, past); err != nil {
		t.Fatal(err)
	}
	mustLock(t, dir)()
}

// TestOneTakesOver is row 20 of the list of faults: of many goroutines in two processes that want a stale lock, again and
// again, exactly one gets it.
func TestOneTakesOver(t *testing.T) {
	const rounds, contenders = 25, 8
	if role() == "contender" {
		contend(t, os.Getenv("DIR"), rounds, contenders)
		return
	}
	top := t.TempDir()
	dead := thisHolder()
	dead.PID = deadPID(t)
	for k := range rounds {
		dir := filepath.Join(top, fmt.Sprint(k))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		forge(t, dir, dead, time.Duration(k%2)*time.Hour)
	}
	won := 0
	var children []*exec.Cmd
	var outputs []*bufio.Scanner
	for range 2 {
		c := child(t, "contender", "DIR="+top)
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		children, outputs = append(children, c), append(outputs, bufio.NewScanner(out))
	}
	winners := map[string]int{}
	for k, c := range children {
		for outputs[k].Scan() {
			if dir, ok := strings.CutPrefix(outputs[k].Text(), "won "); ok {
				winners[dir]++
				won++
			}
		}
		if err := c.Wait(); err != nil {
			t.Errorf("contender: %v", err)
		}
	}
	for k := range rounds {
		if n := winners[fmt.Sprint(k)]; n != 1 {
			t.Errorf("lock %d was taken over %d times, want once", k, n)
		}
	}
	if won != rounds {
		t.Errorf("%d locks were taken over, want %d", won, rounds)
	}
}

// contend tries for every lock from several goroutines and keeps it until a file says that all have tried.
func contend(t *testing.T, top string, rounds, contenders int) {
	start := time.Now()
	for k := range rounds {
		dir := filepath.Join(top, fmt.Sprint(k))
		time.Sleep(time.Until(start.Add(time.Duration(k) * 10 * time.Millisecond)))
		var all sync.WaitGroup
		for range contenders {
			all.Go(func() {
				_, err := Lock(t.Context(), dir, false) // kept: a release would let the other process win too
				if err == nil {
					fmt.Println("won", k)
				} else if !errors.Is(err, ErrRunning) {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	time.Sleep(500 * time.Millisecond) // the other process must find this one alive
}

// TestMutualExclusion: goroutines that wait for the lock hold it one after another.
func TestMutualExclusion(t *testing.T) {
	dir := t.TempDir()
	var inside, times atomic.Int32
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			release, err := Lock(t.Context(), dir, true)
			if err != nil {
				t.Error(err)
				return
			}
			if n := inside.Add(1); n != 1 {
				t.Errorf("%d hold the lock", n)
			}
			times.Add(1)
			time.Sleep(5 * time.Millisecond)
			inside.Add(-1)
			if err := release(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if times.Load() != 6 {
		t.Errorf("%d of 6 got it", times.Load())
	}
}

// TestSignOfLife: a holder touches its lock, and finds out when it has lost it: its release leaves the new holder's.
func TestSignOfLife(t *testing.T) {
	dir := t.TempDir()
	l, err := acquire(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-beatStale / 2)
	if err := os.Chtimes(l.path(), past, past); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * beatEvery); ; time.Sleep(beatEvery / 10) {
		if _, age, err := readHolder(dir); err == nil && age < beatStale/4 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no sign of life")
		}
	}
	if err := l.held(); err != nil {
		t.Error(err)
	}
	other := thisHolder()
	forge(t, dir, other, 0)
	if err := l.held(); !errors.Is(err, ErrRunning) {
		t.Errorf("after another took over: %v", err)
	}
	if err := l.release(); !errors.Is(err, ErrRunning) {
		t.Errorf("release: %v", err)
	}
	if _, _, err := readHolder(dir); err != nil {
		t.Errorf("the release took the other's lock: %v", err)
	}
}
