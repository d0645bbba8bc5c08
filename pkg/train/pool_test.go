package train

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

// TestPool: trainings that differ in rates, lengths, averages, clipping, seeds and data take turns on one executable, chunk
// by chunk, and leave what they leave by themselves, to the last digit; an interrupted one goes on; another batch has an
// executable of its own.
func TestPool(t *testing.T) {
	for name, b := range backendtest.All(t) {
		t.Run(name, func(t *testing.T) {
			pool, dir := NewPool(), t.TempDir()
			set := Settings{Backend: b, Dir: dir, Pool: pool}
			base, _ := small(30)
			configs := []Config{base, base}
			configs[1].Steps, configs[1].LearningRate, configs[1].WarmUp = 20, 3e-3, 2
			configs[1].Seed, configs[1].EMA, configs[1].ClipNorm = 2, 0.5, 0
			data := points(200)
			ctx, stop := context.WithCancel(t.Context())
			interrupted := set
			interrupted.CheckpointEvery = 5
			interrupted.OnLoss = func(step int, _ float64) {
				if step >= 10 {
					stop()
				}
			}
			if _, err := Fit(ctx, configs[0], Rows(data), interrupted); err == nil {
				t.Fatal("not interrupted")
			}
			for k := len(configs) - 1; k >= 0; k-- {
				got, alone := mustFit(t, configs[k], data, set), mustFit(t, configs[k], data, Settings{Backend: b, Dir: t.TempDir()})
				if !slices.Equal(got.Losses, alone.Losses) {
					t.Errorf("training %d: losses %v in the pool, %v by itself", k, got.Losses, alone.Losses)
				}
				same(t, fmt.Sprint("training ", k), weights(t, got.Store, got.Name), weights(t, alone.Store, alone.Name))
			}
			if n := len(pool.steps); n != 1 || pool.steps[0].loop.Builds() != 1 {
				t.Errorf("%d forms, %d executables of the first, want 1 and 1", n, pool.steps[0].loop.Builds())
			}
			if backend.OnDevice(b) {
				return // it compiles, and who shares an executable does not depend on the backend
			}
			other := base
			other.Batch, other.Steps = base.Batch+1, 2
			mustFit(t, other, data, set)
			if n := len(pool.steps); n != 2 {
				t.Errorf("%d forms with another batch, want 2", n)
			}
		})
	}
}
