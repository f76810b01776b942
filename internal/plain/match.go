package plain

// Match reports whether all of s matches a LIKE pattern byte by byte: % is any bytes, _ any one, and nothing escapes them.
func Match(s, pattern string) bool {
	restart, behind, star := "", "", false // where in s to try what is behind the last %, and that
	for s != "" || pattern != "" {
		switch {
		case pattern != "" && pattern[0] == '%':
			pattern = pattern[1:]
			restart, behind, star = s, pattern, true
		case pattern != "" && s != "" && (pattern[0] == '_' || pattern[0] == s[0]):
			s, pattern = s[1:], pattern[1:]
		case star && restart != "":
			restart = restart[1:]
			s, pattern = restart, behind
		default:
			return false
		}
	}
	return true
}
