package run

import "fmt"

// differences lists, field by field, what the tables before and now do not have in common.
func differences(before, now map[string]any) []string {
	a, b := map[string]string{}, map[string]string{}
	flatten(a, "", before)
	flatten(b, "", now)
	all := map[string]bool{}
	for key := range a {
		all[key] = true
	}
	for key := range b {
		all[key] = true
	}
	var list []string
	for _, key := range sortedKeys(all) {
		old, had := a[key]
		new, has := b[key]
		switch {
		case !had:
			list = append(list, fmt.Sprintf("%s is %s, was not there", key, new))
		case !has:
			list = append(list, fmt.Sprintf("%s is not there, was %s", key, old))
		case old != new:
			list = append(list, fmt.Sprintf("%s is %s, was %s", key, new, old))
		}
	}
	return list
}

// flatten gives the values in nested tables names with dots.
func flatten(into map[string]string, path string, value any) {
	if table, ok := value.(map[string]any); ok {
		for key, v := range table {
			flatten(into, path+"."+key, v)
		}
		return
	}
	into[path[1:]] = fmt.Sprintf("%#v", value)
}
