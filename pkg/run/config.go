package run

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxConfig bounds the size of a configuration, in bytes: people write them, and a reader of hostile ones must end.
const maxConfig = 64 << 10

// DecodeConfig reads TOML into a struct or map, which keeps what the text does not mention. It is strict: a key that
// nothing stands for is an error that names the nearest one that exists, a value of the wrong type one that names the
// key, what was got and what was wanted. After an error into is as it was.
func DecodeConfig(text []byte, into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("run: config: got %T to decode into, want a pointer", into)
	}
	if len(text) > maxConfig {
		return fmt.Errorf("run: config: it has more than %d bytes", maxConfig)
	}
	var tables map[string]any
	if _, err := toml.Decode(string(text), &tables); err != nil {
		return fmt.Errorf("run: config: %w", err)
	}
	if err := checkKeys(tables, target.Type(), ""); err != nil {
		return fmt.Errorf("run: config: %w", err)
	}
	if _, err := toml.Decode(string(text), reflect.New(target.Type().Elem()).Interface()); err != nil {
		return fmt.Errorf("run: config: %w", err)
	}
	if _, err := toml.Decode(string(text), into); err != nil {
		return fmt.Errorf("run: config: %w", err)
	}
	return nil
}

// EncodeConfig writes a struct or map as TOML with sorted keys: the same bytes for the same configuration in every
// process, whatever the order of the fields and whether it is held by a struct or a map. Its hash can serve as identity.
func EncodeConfig(config any) ([]byte, error) {
	if v := reflect.Indirect(reflect.ValueOf(config)); v.Kind() != reflect.Struct && v.Kind() != reflect.Map {
		return nil, fmt.Errorf("run: config of type %T, want a struct or a map", config)
	}
	plain, err := encode(config)
	if err != nil {
		return nil, err
	}
	var tables map[string]any
	if _, err := toml.Decode(string(plain), &tables); err != nil {
		return nil, fmt.Errorf("run: config: %w", err)
	}
	return encode(tables)
}

func encode(config any) ([]byte, error) {
	var text bytes.Buffer
	encoder := toml.NewEncoder(&text)
	encoder.Indent = ""
	if err := encoder.Encode(config); err != nil {
		return nil, fmt.Errorf("run: config of type %T: %w", config, err)
	}
	return text.Bytes(), nil
}

// ReadConfig is DecodeConfig of a file.
func ReadConfig(path string, into any) error {
	text, err := readSmall(path, maxConfig)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if err := DecodeConfig(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readSmall reads a file and refuses one of more than limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	blob, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(blob)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return blob, err
}

// checkKeys refuses keys of tables that t has no place for, and two that mean one field.
func checkKeys(tables map[string]any, t reflect.Type, path string) error {
	fields, elem, open := places(t)
	if open {
		return nil
	}
	seen := map[string]string{}
	for _, key := range sortedKeys(tables) {
		at, place := path+key, elem
		if elem == nil {
			name, field := fieldFor(fields, key)
			if field == nil {
				return fmt.Errorf("unknown key %q%s", at, didYouMean(key, fields))
			}
			if other, twice := seen[name]; twice {
				return fmt.Errorf("keys %q and %q mean the same", path+other, at)
			}
			seen[name], place = key, field
		}
		if err := checkValue(tables[key], place, at); err != nil {
			return err
		}
	}
	return nil
}

// checkValue looks for tables in value, and in arrays of them.
func checkValue(value any, t reflect.Type, path string) error {
	switch value := value.(type) {
	case map[string]any:
		return checkKeys(value, t, path+".")
	case []map[string]any:
		for k, table := range value {
			if err := checkKeys(table, elementOf(t), fmt.Sprintf("%s[%d].", path, k)); err != nil {
				return err
			}
		}
	case []any:
		for k, element := range value {
			if err := checkValue(element, elementOf(t), fmt.Sprintf("%s[%d]", path, k)); err != nil {
				return err
			}
		}
	}
	return nil
}

// elementOf is the type of a list's elements; of other types nothing is known, the decoder will refuse them.
func elementOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Array {
		return t.Elem()
	}
	return reflect.TypeFor[any]()
}

// places says which keys a table of type t may have: the fields of a struct, or any, with values of type elem, in a map.
// open says that only the decoder knows.
func places(t reflect.Type) (fields map[string]reflect.Type, elem reflect.Type, open bool) {
	for t.Kind() == reflect.Pointer {
		if t.Implements(reflect.TypeFor[toml.Unmarshaler]()) {
			return nil, nil, true
		}
		t = t.Elem()
	}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[toml.Unmarshaler]()):
		return nil, nil, true
	case t.Kind() == reflect.Map:
		return nil, t.Elem(), false
	case t.Kind() == reflect.Struct:
		fields = map[string]reflect.Type{}
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
			switch {
			case name == "-" || !f.IsExported() || f.Anonymous && name == "":
				continue
			case name == "":
				name = f.Name
			}
			fields[name] = f.Type
		}
		return fields, nil, false
	}
	return nil, nil, true
}

// fieldFor finds the field that the decoder takes for key: the one so called, or else one that differs in case.
func fieldFor(fields map[string]reflect.Type, key string) (string, reflect.Type) {
	if t, ok := fields[key]; ok {
		return key, t
	}
	for _, name := range sortedKeys(fields) {
		if strings.EqualFold(name, key) {
			return name, fields[name]
		}
	}
	return "", nil
}
