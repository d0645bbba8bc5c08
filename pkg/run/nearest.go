package run

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// didYouMean is the end of a message about an unknown key: the nearest of the known ones, or all if none is near.
func didYouMean[V any](key string, known map[string]V) string {
	names := sortedKeys(known)
	if len(names) == 0 {
		return ", none is known here"
	}
	if best, near := nearest(key, names); near {
		return fmt.Sprintf(", did you mean %q?", best)
	}
	return ", want one of " + strings.Join(names, ", ")
}

// nearest is the one of names, of which there is at least one, that is most like name; near says that it may have been meant.
func nearest(name string, names []string) (best string, near bool) {
	best = slices.MinFunc(names, func(a, b string) int { return distance(name, a) - distance(name, b) })
	return best, distance(name, best) <= max(2, len(best)/2)
}

// distance is the number of letters to insert, delete, replace or swap with their neighbour to make b of a, whatever the
// case (optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := range s {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(t)]
}
