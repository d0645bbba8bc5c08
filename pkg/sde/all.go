package sde

// All returns one process of each kind with usual parameters, for tables and tests that cover every process.
func All() []SDE {
	return []SDE{
		VE{SigmaMin: 0.01, SigmaMax: 50},
		VE{SigmaMin: 0.01, SigmaMax: 4, CleanStart: true},
		VETutorial{Base: 25},
		Brownian{},
		VP{BetaMin: DefaultBetaMin, BetaMax: DefaultBetaMax},
		SubVP{BetaMin: DefaultBetaMin, BetaMax: DefaultBetaMax},
		Cosine{Offset: DefaultOffset, MaxRate: DefaultMaxRate},
		OU1(),
		OUHalf(),
		EDM{},
	}
}
