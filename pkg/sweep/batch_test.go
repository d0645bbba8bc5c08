package sweep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// batches is a Batch whose speed is set; sizes notes what was done together.
func batches(perTrial time.Duration, sizes *[]int) Batch[config] {
	return Batch[config]{
		Key: func(c config) string { return c.Law },
		Max: 4,
		Run: func(ctx context.Context, trials []*Trial[config]) (metrics []map[string]float64, errs []error) {
			*sizes = append(*sizes, len(trials))
			time.Sleep(perTrial * time.Duration(len(trials)))
			for _, t := range trials {
				m, err := productOf(ctx, t)
				metrics, errs = append(metrics, m), append(errs, err)
			}
			return metrics, errs
		},
	}
}

// TestBatchWhereFaster: two trials by themselves, a batch, and then the faster way; the table is the same and says what was
// chosen. A later call does not measure again.
func TestBatchWhereFaster(t *testing.T) {
	p := must[Plan](t)(Grid("p", base(), Seeds(1, 15)))
	alone := must[Table](t)(Run(context.Background(), p, productOf, Settings{Dir: t.TempDir()}))
	for _, c := range []struct {
		name           string
		single, member time.Duration
		want, later    string
		alone          int // calls of the single function when 5 trials follow
		batched        bool
	}{
		{"faster", 40 * time.Millisecond, time.Millisecond, "[4 4 4]", "[4]", 1, true},
		{"slower", time.Millisecond, 40 * time.Millisecond, "[4 4]", "[]", 5, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, count := Settings{Dir: t.TempDir()}, counter{}
			single := count.fn(func(ctx context.Context, tr *Trial[config]) (map[string]float64, error) {
				time.Sleep(c.single)
				return productOf(ctx, tr)
			})
			sizes := []int{}
			table, err := RunBatched(context.Background(), p, single, batches(c.member, &sizes), set)
			if err != nil || fmt.Sprint(sizes) != c.want {
				t.Errorf("batches %v, want %v; error %v", sizes, c.want, err)
			}
			if table.CSV() != alone.CSV() {
				t.Errorf("the table depends on the way:\n%s\nwant\n%s", table.CSV(), alone.CSV())
			}
			timing, ok := readTimings(p.Dir(set))["ring"]
			if !ok || timing.Chosen != c.batched || timing.Size != 4 || (timing.Single < timing.Batched) == c.batched {
				t.Errorf("measured %+v", timing)
			}
			if len(table.Notes) != 1 || !strings.HasPrefix(table.Notes[0], "ring: ") {
				t.Errorf("notes %q", table.Notes)
			}
			more := must[Plan](t)(Grid("p", base(), Seeds(1, 20)))
			before := count.total()
			sizes = []int{}
			must[Table](t)(RunBatched(context.Background(), more, single, batches(c.member, &sizes), set))
			if fmt.Sprint(sizes) != c.later || count.total()-before != c.alone {
				t.Errorf("later: batches %v, want %v; %d calls more", sizes, c.later, count.total()-before)
			}
		})
	}
}

// TestBatchKeys: trials of different keys never meet, and few trials are not worth measuring.
func TestBatchKeys(t *testing.T) {
	p := must[Plan](t)(Grid("p", base(), Over("law", "a", "b", "c"), Seeds(1, 2)))
	sizes := []int{}
	set := Settings{Dir: t.TempDir(), Parallel: 1}
	if _, err := RunBatched(context.Background(), p, productOf, batches(0, &sizes), set); err != nil || len(sizes) != 0 {
		t.Errorf("batches %v, error %v", sizes, err)
	}
	p = must[Plan](t)(Grid("p", base(), Seeds(1, 7), Over("law", "a", "b")))
	b := batches(0, &sizes)
	plain := b.Run
	b.Run = func(ctx context.Context, trials []*Trial[config]) ([]map[string]float64, []error) {
		for _, tr := range trials {
			if tr.Config.Law != trials[0].Config.Law {
				t.Errorf("%s and %s in one batch", tr.Config.Law, trials[0].Config.Law)
			}
		}
		return plain(ctx, trials)
	}
	if _, err := RunBatched(context.Background(), p, productOf, b, set); err != nil || len(sizes) == 0 {
		t.Errorf("batches %v, error %v", sizes, err)
	}
}

// TestBatchFailures (faults.md, row 29): an error is that of one member; a panic or a wrong number of results is of all.
func TestBatchFailures(t *testing.T) {
	p := must[Plan](t)(Grid("p", base(), Seeds(1, 6)))
	ill := errors.New("ill")
	for name, c := range map[string]struct {
		run    func(ctx context.Context, trials []*Trial[config]) ([]map[string]float64, []error)
		failed int
	}{
		"one": {func(ctx context.Context, trials []*Trial[config]) ([]map[string]float64, []error) {
			return make([]map[string]float64, len(trials)), append([]error{ill}, make([]error, len(trials)-1)...)
		}, 1},
		"panic": {func(context.Context, []*Trial[config]) ([]map[string]float64, []error) { panic(ill) }, 4},
		"short": {func(context.Context, []*Trial[config]) ([]map[string]float64, []error) { return nil, nil }, 4},
	} {
		b := Batch[config]{Key: func(config) string { return "" }, Max: 4, Run: c.run}
		table, err := RunBatched(context.Background(), p, productOf, b, Settings{Dir: t.TempDir()})
		if want := fmt.Sprintf("%d of 6 trials failed", c.failed); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if _, measured := readTimings(table.Name)[""]; measured {
			t.Errorf("%s: a failed batch was taken for a measurement", name)
		}
	}
	for _, b := range []Batch[config]{{Max: 4}, {Max: 1, Key: func(config) string { return "" }, Run: batches(0, nil).Run}} {
		if _, err := RunBatched(context.Background(), p, productOf, b, Settings{Dir: t.TempDir()}); err == nil {
			t.Errorf("accepted Max = %d, Run nil: %t", b.Max, b.Run == nil)
		}
	}
}
