package run

import (
	"encoding/json"
	"fmt"

	"github.com/gomlx/gomlx/ml/model"
)

// Saver saves checkpoints while the work goes on: bringing one safely to the disk is waiting, for the most part. The zero
// value is ready. It is not for several goroutines.
type Saver struct {
	done chan error // of the save at work; nil where there is none
}

// Save copies the variables of store and starts to write them as the function Save does. It returns the error of the
// save before, for which it waits.
func (s *Saver) Save(dir string, store *model.Store, step int, info any) error {
	if err := s.Wait(); err != nil {
		return err
	}
	blob, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("run: checkpoint of step %d: %w", step, err)
	}
	still, err := copied(store)
	if err != nil {
		return fmt.Errorf("run: checkpoint of step %d: %w", step, err)
	}
	done := make(chan error, 1)
	go func() { done <- Save(dir, still, step, json.RawMessage(blob)) }()
	s.done = done
	return nil
}

// Wait returns the error of the last save when it has come to its end. Whoever has called Save must call it.
func (s *Saver) Wait() error {
	if s.done == nil {
		return nil
	}
	err := <-s.done
	s.done = nil
	return err
}

// Failed is Wait if the save has come to its end, and nil otherwise.
func (s *Saver) Failed() error {
	if len(s.done) == 0 {
		return nil
	}
	return s.Wait()
}

// copied is a store with the same variables in the same order.
func copied(store *model.Store) (*model.Store, error) {
	still := model.NewStore()
	for v := range store.IterVariables() {
		if !v.HasValue() {
			return nil, fmt.Errorf("variable %s has no value yet", v.Path())
		}
		value, err := v.MustValue().LocalClone()
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", v.Path(), err)
		}
		c, err := still.CreateVariable(v.Path(), value)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", v.Path(), err)
		}
		c.SetTrainable(v.Trainable)
	}
	return still, nil
}
