package sampler

// noiseless is a Predictor that can step to a time with Sigma = 0.
type noiseless interface{ stepsToZero() }

func (ProbabilityFlow) stepsToZero() {}
func (FlowHeun) stepsToZero()        {}
func (DDIM) stepsToZero()            {}

// stepsToZero says whether a method can step to a time with Sigma = 0.
func stepsToZero(m Method) bool {
	pc, ok := m.(PC)
	if !ok || pc.Corrector != nil {
		return false
	}
	_, ok = pc.Predictor.(noiseless)
	return ok
}
