# Probes of our own, so that autoconf-archive is not needed.

# POOLER_ADD_FLAGS(VARIABLE, FLAGS)
# Appends those of FLAGS that the compiler knows. -Werror, because clang merely
# warns about flags that it does not know.
AC_DEFUN([POOLER_ADD_FLAGS], [
	for pooler_flag in m4_normalize([$2]); do
		AC_MSG_CHECKING([whether $CC knows $pooler_flag])
		pooler_saved=$CFLAGS
		CFLAGS="$CFLAGS -Werror $pooler_flag"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
			[AC_MSG_RESULT([yes])
			 $1="$$1 $pooler_flag"],
			[AC_MSG_RESULT([no])])
		CFLAGS=$pooler_saved
	done
])

# POOLER_NEED_LINK_FLAGS(VARIABLE, FLAGS, MESSAGE-IF-NOT)
# Appends all of FLAGS, or ends configure: these were asked for by name.
AC_DEFUN([POOLER_NEED_LINK_FLAGS], [
	pooler_flags="m4_normalize([$2])"
	AC_MSG_CHECKING([whether $CC can link with $pooler_flags])
	pooler_saved=$CFLAGS
	CFLAGS="$CFLAGS $pooler_flags"
	AC_LINK_IFELSE([AC_LANG_PROGRAM()],
		[AC_MSG_RESULT([yes])
		 $1="$$1 $pooler_flags"],
		[AC_MSG_RESULT([no])
		 AC_MSG_ERROR([$3])])
	CFLAGS=$pooler_saved
])

# POOLER_CHECK_INI_MAX_LINE(IF-YES, IF-NO)
# Whether inih's limit on the length of a line can be raised at run time.
AC_DEFUN([POOLER_CHECK_INI_MAX_LINE], [
	AC_MSG_CHECKING([whether inih exports ini_max_line])
	pooler_saved_libs=$LIBS
	LIBS="$INIH_LIBS $LIBS"
	AC_LINK_IFELSE([AC_LANG_PROGRAM(
			[[extern int ini_max_line, ini_use_stack, ini_allow_realloc;
			  extern int ini_allow_multiline, ini_allow_inline_comments;]],
			[[ini_max_line = 1 << 20;
			  ini_use_stack = ini_allow_multiline = ini_allow_inline_comments = 0;
			  ini_allow_realloc = 1;]])],
		[AC_MSG_RESULT([yes])
		 $1],
		[AC_MSG_RESULT([no])
		 $2])
	LIBS=$pooler_saved_libs
])
