package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/renameio/v2"
)

// Trial is a run at work in its folder, which holds config.toml, manifest.json, status.json, metrics.jsonl, the lock and
// checkpoints (Save, Load).
type Trial struct {
	Dir string

	lease  *lease
	status Status
	clock  time.Time // start of the attempt

	mu      sync.Mutex // of metrics
	metrics *os.File
	torn    bool // the file does not end with a whole line

	once sync.Once
	err  error // of Close
}

// Options go to the manifest of a run.
type Options struct {
	Seeds           []int64
	Data            map[string]string // SHA-256 of each data set, by name
	Backend, Device string
}

const configFile = "config.toml"

// written are the prefixes of files and folders that only the holder of the lock writes before they get their names
// (renameio's have a dot before the name), so that a new holder may remove them.
var written = []string{tempPrefix, "." + configFile, "." + manifestFile, "." + statusFile, "." + metricsFile}

// Open makes the folder of a run or goes on in it, and takes its lock. Before any work it refuses a folder that cannot be
// written to; one on which a process is at work, with an error that wraps ErrRunning; and one that was begun with another
// config, seeds or data, with what differs field by field. Close ends the attempt.
func Open(ctx context.Context, dir string, config any, set Options) (*Trial, error) {
	text, err := EncodeConfig(config)
	if err != nil {
		return nil, err
	}
	if err := Folder(dir); err != nil {
		return nil, err
	}
	l, err := acquire(ctx, dir, false)
	if err != nil {
		return nil, err
	}
	t := &Trial{Dir: dir, lease: l, clock: time.Now()}
	if err := t.begin(text, set); err != nil {
		if t.metrics != nil {
			t.metrics.Close()
		}
		return nil, errors.Join(err, l.release())
	}
	return t, nil
}

// begin does what Open does under the lock.
func (t *Trial) begin(config []byte, set Options) error {
	if err := settle(t.Dir, config); err != nil {
		return err
	}
	if err := set.record(t.Dir); err != nil {
		return err
	}
	past, err := ReadStatus(t.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "scoresde: starting anew a status that cannot be read: %v\n", err)
		past = Status{}
	}
	t.status = Status{
		State: Running, Attempts: past.Attempts + 1, Seconds: past.Seconds,
		Started: t.lease.self.Started, Host: t.lease.self.Host, PID: t.lease.self.PID,
	}
	if err := t.openMetrics(); err != nil {
		return err
	}
	if err := t.status.write(t.Dir); err != nil {
		return fmt.Errorf("run: status: %w", err)
	}
	return removeTemporary(t.Dir, 0, written...)
}

// settle writes the config of a new folder, and compares that of an old one.
func settle(dir string, config []byte) error {
	path := filepath.Join(dir, configFile)
	before, err := readSmall(path, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		err = renameio.WriteFile(path, config, 0o644)
		before = config
	}
	if err != nil {
		return fmt.Errorf("run: config: %w", err)
	}
	if bytes.Equal(before, config) {
		return nil
	}
	var old, now map[string]any
	if _, err := toml.Decode(string(before), &old); err != nil {
		return fmt.Errorf("run: %s: %w", path, err)
	}
	if _, err := toml.Decode(string(config), &now); err != nil {
		return fmt.Errorf("run: config: %w", err)
	}
	if d := differences(old, now); len(d) > 0 {
		return fmt.Errorf("run: %s was begun with another config: %s", dir, strings.Join(d, "; "))
	}
	return nil
}

// Held returns an error that wraps ErrRunning if another process has taken the run over, because this one showed no sign
// of life for so long. It must then not write to the folder any more.
func (t *Trial) Held() error { return t.lease.held() }

// Close ends the attempt: the run is done if err is nil, interrupted if a signal or the end of a context made it, failed
// otherwise. It releases the lock. Further calls do nothing.
func (t *Trial) Close(err error) error {
	t.once.Do(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.err = t.metrics.Close()
		if held := t.Held(); held != nil {
			t.err = errors.Join(t.err, held, t.lease.release())
			return
		}
		t.status.end(err, time.Since(t.clock))
		t.err = errors.Join(t.err, t.status.write(t.Dir), t.lease.release())
	})
	return t.err
}

func (s *Status) end(err error, took time.Duration) {
	s.Ended = time.Now().UTC().Truncate(time.Second)
	s.Seconds += took.Seconds()
	s.Retry = ExitCode(err) == ExitRetry
	switch {
	case err == nil:
		s.State = Done
		return
	case interrupted(err):
		s.State = Interrupted
	default:
		s.State = Failed
	}
	s.Error = err.Error()
}
