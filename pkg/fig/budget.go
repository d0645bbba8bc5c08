package fig

import (
	"fmt"
	"os"
)

const budgetEnv = "SCORESDE_BUDGET"

// Quick says whether SCORESDE_BUDGET=quick: less training, fewer samples and looser bounds, for tests.
// The default, "full", is the published report. It panics on any other value.
func Quick() bool { return must(budgetOf(os.Getenv(budgetEnv))) == "quick" }

// Pick returns quick or full, as the budget says (see Quick).
func Pick[T any](quick, full T) T {
	if Quick() {
		return quick
	}
	return full
}

func budgetOf(env string) (string, error) {
	switch env {
	case "":
		return "full", nil
	case "quick", "full":
		return env, nil
	}
	return "", fmt.Errorf("fig: %s=%q, want \"quick\" or \"full\"", budgetEnv, env)
}
