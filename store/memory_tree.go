package store

import (
	"hash/maphash"
	"iter"
	"strings"
)

// memoryNode is a node of a sorted map from keys to rows, of which nil is the empty one. A change copies the nodes on its
// way and shares the others, so that whoever holds an older root still has the older map. It is a treap: the hash of a
// node's key is above those below it, which keeps the tree about as deep as the logarithm of its size.
type memoryNode struct {
	key         string
	rank        uint64
	row         *memoryRow
	left, right *memoryNode
}

var treeSeed = maphash.MakeSeed() // so that nobody can choose keys that make a deep tree

func (n *memoryNode) get(key string) *memoryRow {
	for n != nil {
		switch c := strings.Compare(key, n.key); {
		case c == 0:
			return n.row
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return nil
}

// put returns the map with the row under the key.
func (n *memoryNode) put(key string, row *memoryRow) *memoryNode {
	if n == nil {
		return &memoryNode{key: key, rank: maphash.String(treeSeed, key), row: row}
	}
	c := *n
	switch strings.Compare(key, n.key) {
	case 0:
		c.row = row
	case -1:
		child := n.left.put(key, row)
		if child.rank > c.rank {
			c.left, child.right = child.right, &c
			return child
		}
		c.left = child
	default:
		child := n.right.put(key, row)
		if child.rank > c.rank {
			c.right, child.left = child.left, &c
			return child
		}
		c.right = child
	}
	return &c
}

// remove returns the map without the key.
func (n *memoryNode) remove(key string) *memoryNode {
	if n == nil {
		return nil
	}
	c := *n
	switch strings.Compare(key, n.key) {
	case 0:
		return merge(n.left, n.right)
	case -1:
		c.left = n.left.remove(key)
	default:
		c.right = n.right.remove(key)
	}
	return &c
}

// merge joins two maps, of which all keys of the first are before those of the second.
func merge(a, b *memoryNode) *memoryNode {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.rank > b.rank:
		c := *a
		c.right = merge(a.right, b)
		return &c
	}
	c := *b
	c.left = merge(a, b.left)
	return &c
}

// within goes through the rows whose keys begin with prefix, in the order of the keys.
func (n *memoryNode) within(prefix string) iter.Seq[*memoryRow] {
	return func(yield func(*memoryRow) bool) { n.walk(prefix, yield) }
}

func (n *memoryNode) walk(prefix string, yield func(*memoryRow) bool) bool {
	if n == nil {
		return true
	}
	inside := strings.HasPrefix(n.key, prefix)
	if (inside || n.key > prefix) && !n.left.walk(prefix, yield) {
		return false
	}
	if inside && !yield(n.row) {
		return false
	}
	return !inside && n.key > prefix || n.right.walk(prefix, yield)
}
