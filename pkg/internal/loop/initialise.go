package loop

import (
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
)

// Initialise gives initial values to the variables of a store that have none. The Go engine computes them: they are equal
// whatever engine takes them, and cost no compilation.
func Initialise(s *model.Store) error {
	var moving []*model.Variable // to and from the Go engine
	for v := range s.IterVariables() {
		if !v.HasValue() || v.Path() == model.JoinPath("/", model.RNGStateVariableName) {
			moving = append(moving, v)
		}
	}
	if err := local(moving); err != nil {
		return err
	}
	if err := s.InitializeVariables(backend.Go(), nil); err != nil {
		return err
	}
	return local(moving)
}

// local takes the values that variables have from any engine.
func local(vars []*model.Variable) error {
	for _, v := range vars {
		if !v.HasValue() {
			continue
		}
		value, err := v.Value()
		if err != nil {
			return err
		}
		if err := value.ToLocal(); err != nil {
			return err
		}
	}
	return nil
}
