package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The bounds of a table in MariaDB: 65,535 bytes in a row with every varchar full, and 8,126 in the page, where of a long value
// 40 bytes stand at most; 64 characters in a name, and what a file's name can have, where a character that is neither a letter
// nor a digit takes five; 3,072 bytes in a key; 64 indexes with the primary key. A table past them cannot be made there, so it
// is refused on every store.
const (
	maxRowBytes   = 65535
	maxPageBytes  = 8126
	maxName       = 64
	maxFileName   = 250
	maxKeyBytes   = 3072
	maxIndexes    = 64
	maxTextLength = 16383
)

// check refuses a schema that databases do not agree about.
func (s *Schema) check() error {
	tables := map[string]bool{}
	for _, t := range s.Tables {
		if fold := strings.ToLower(t.Name); tables[fold] || t.Name == "" {
			return fmt.Errorf("frappems: table %q is there twice or has no name", t.Name)
		} else {
			tables[fold] = true
		}
		if err := t.Check(); err != nil {
			return fmt.Errorf("frappems: table %s: %w", t.Name, err)
		}
	}
	return nil
}

// Check says why a table cannot be made in every database, or nil. Migrate asks it of each table before it changes anything.
func (t *Table) Check() error {
	if err := checkIdentifier(t.Name); err != nil {
		return err
	}
	if size := fileNameBytes(t.Name); size > maxFileName {
		return fmt.Errorf("its name takes %d bytes as that of a file, %d are allowed: shorten it", size, maxFileName)
	}
	if len(t.Key) == 0 {
		return errors.New("it has no key")
	}
	columns := map[string]bool{}
	for _, c := range t.Columns {
		if fold := strings.ToLower(c.Name); columns[fold] {
			return fmt.Errorf("column %q is there twice: names that differ in case only are the same", c.Name)
		} else {
			columns[fold] = true
		}
		if err := c.check(); err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	if err := t.checkIndexes(); err != nil {
		return err
	}
	return checkRowSize(t.Columns)
}

// check refuses a column that cannot be made.
func (c *Column) check() error {
	if err := checkIdentifier(c.Name); err != nil {
		return err
	}
	if (c.Type == TypeVarchar || c.Type == TypeASCII) && (c.Length < 1 || c.Length > maxTextLength) {
		return fmt.Errorf("its length is %d, want 1 to %d, since a row can have %d bytes", c.Length, maxTextLength, maxRowBytes)
	}
	if c.Default != "" {
		if _, err := c.normal(c.Default); err != nil || strings.ContainsRune(c.Default, 0) {
			return fmt.Errorf("the default %.40q cannot be one of its values", c.Default)
		}
	}
	return nil
}

// checkIdentifier refuses what cannot name a table, column or index.
func checkIdentifier(name string) error {
	unusable := func(r rune) bool { return r == 0 || r > 0xFFFF }
	switch {
	case name == "" || strings.HasSuffix(name, " ") || strings.ContainsFunc(name, unusable):
		return fmt.Errorf("the name %q is empty, ends with a blank or has a character that names cannot have", name)
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("the name %q has %d characters, %d are allowed", name, utf8.RuneCountInString(name), maxName)
	}
	return nil
}

// fileNameBytes is the most that a table's name takes as the name of its file.
func fileNameBytes(name string) int {
	size := 0
	for _, r := range name {
		if r < utf8.RuneSelf && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_') {
			size++
		} else {
			size += 5
		}
	}
	return size
}

// checkIndexes refuses indexes that are too many, of one name or too long.
func (t *Table) checkIndexes() error {
	if len(t.Indexes)+1 > maxIndexes {
		return fmt.Errorf("it has %d indexes, %d are allowed: make fewer fields unique or searchable", len(t.Indexes)+1, maxIndexes)
	}
	names := map[string]bool{"primary": true}
	for i := range t.Indexes {
		index := &t.Indexes[i]
		fold := strings.ToLower(index.Name)
		if names[fold] {
			return fmt.Errorf("index %q is there twice, or is called PRIMARY", index.Name)
		}
		names[fold] = true
		if err := index.Check(); err != nil {
			return err
		}
	}
	if err := checkKey(t.Key); err != nil {
		return fmt.Errorf("the primary key: %w", err)
	}
	return nil
}

// Check says why an index cannot be made in every database, or nil.
func (i *Index) Check() error {
	err := checkIdentifier(i.Name)
	if err == nil {
		err = checkKey(i.Columns)
	}
	if err != nil {
		return fmt.Errorf("index %s on (%s): %w", i.Name, strings.Join(i.names(), ", "), err)
	}
	return nil
}

// checkKey refuses columns that cannot be a key behind the tenant.
func checkKey(columns []*Column) error {
	size := tenantColumn.Length + 2
	for i, c := range columns {
		if c.isTenant() || slices.Contains(columns[:i], c) {
			return fmt.Errorf("column %s is in it already", c.Name)
		}
		if c.Type == TypeText || c.Type == TypeLongText || c.Type == TypeJSON {
			return fmt.Errorf("column %s is a %s, which no index can hold", c.Name, c.Type)
		}
		full, _ := c.bytes()
		size += full
	}
	if size > maxKeyBytes {
		return fmt.Errorf("it takes %d bytes, %d are allowed: shorten its columns, or do not index them", size, maxKeyBytes)
	}
	return nil
}

// bytes is what a column takes of a row at most, and of that in the row's page.
func (c *Column) bytes() (full, inPage int) {
	switch c.Type {
	case TypeVarchar:
		return 4*c.Length + 2, min(4*c.Length+2, 41)
	case TypeASCII:
		return c.Length + 2, min(c.Length+2, 41)
	case TypeText, TypeLongText, TypeJSON:
		return 12, 41
	case TypeDecimal:
		return 10, 10
	case TypeInt:
		return 4, 4
	case TypeCheck:
		return 1, 1
	}
	return 8, 8
}

// checkRowSize refuses columns that do not fit into a row with the tenant's.
func checkRowSize(columns []*Column) error {
	row, page := 65, 65
	for _, c := range columns {
		if !c.isTenant() {
			full, inPage := c.bytes()
			row, page = row+full, page+inPage
		}
	}
	if row > maxRowBytes {
		return fmt.Errorf("a row of its columns can have %d bytes, %d are allowed: make some Data fields Small Text", row, maxRowBytes)
	}
	if page > maxPageBytes {
		return fmt.Errorf("its columns need %d bytes in a page, %d are allowed: there are too many fields", page, maxPageBytes)
	}
	return nil
}
