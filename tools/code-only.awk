# Prints C files as FILE:LINE:CODE, with comments blanked and strings emptied, for
# checks that must not stumble over words in prose. #include lines are kept whole.

FNR == 1 { in_comment = 0 }

{
	line = $0
	code = ""
	if (!in_comment && line ~ /^[ \t]*#[ \t]*include/) {
		sub(/[ \t]*(\/\*|\/\/).*$/, "", line)
		print FILENAME ":" FNR ":" line
		next
	}
	while (line != "") {
		if (in_comment) {
			end = index(line, "*/")
			if (!end)
				break
			line = substr(line, end + 2)
			in_comment = 0
			code = code " "
		} else if (match(line, /^"(\\.|[^"\\])*"/)) {
			code = code "\"\""
			line = substr(line, RLENGTH + 1)
		} else if (match(line, /^'(\\.|[^'\\])+'/)) {
			code = code "' '"
			line = substr(line, RLENGTH + 1)
		} else if (substr(line, 1, 2) == "/*") {
			in_comment = 1
			line = substr(line, 3)
		} else if (substr(line, 1, 2) == "//") {
			break
		} else {
			code = code substr(line, 1, 1)
			line = substr(line, 2)
		}
	}
	print FILENAME ":" FNR ":" code
}
