package sde

import (
	"errors"
	"fmt"
)

// Validate reports why s cannot be used: nil, a parameter out of range (for processes that have a Validate method),
// a span other than finite 0 <= Eps < T, or a prior standard deviation that is not positive and finite.
func Validate(s SDE) error {
	if s == nil {
		return errors.New("sde: want a process, got nil")
	}
	if v, ok := s.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return fmt.Errorf("sde: %w", err)
		}
	}
	if err := s.Span().validate(s.String()); err != nil {
		return fmt.Errorf("sde: %w", err)
	}
	if std := s.PriorStd(); !(std > 0) || !finite(std) {
		return fmt.Errorf("sde: %s: want 0 < PriorStd < inf, got %g", s, std)
	}
	return nil
}

// or returns the span, or the default where the span was left zero.
func (s Span) or(def Span) Span {
	if s == (Span{}) {
		return def
	}
	return s
}

func (s Span) validate(name string) error {
	if !(s.Eps >= 0 && s.Eps < s.T) || !finite(s.T) {
		return fmt.Errorf("%s: want times 0 <= Eps < T < inf, got Eps %g, T %g", name, s.Eps, s.T)
	}
	return nil
}
