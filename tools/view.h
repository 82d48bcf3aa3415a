/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A view: rows of named values, shown as a table or as JSON.
 */
#ifndef TOKMUX_TOOL_VIEW_H
#define TOKMUX_TOOL_VIEW_H

#include "tool.h"

/*
 * What a value is, in JSON. All are set as text; one that was not set is null.
 * NUMBERS is an array, from numbers with blanks between. DURATION is a number of
 * seconds, which a table shows as a person would say it. TIMESTAMP, set by
 * view_set_now(), is text in UTC, of which a table shows the local time of day.
 * LONG_TEXT is text that may be cut on a narrow terminal.
 */
enum kind { TEXT, NUMBER, FLAG, NUMBERS, DURATION, TIMESTAMP, LONG_TEXT };

struct column {
	const char *name;
	enum kind kind;
	const char *help;
};

/* What the user chose: every verb that shows something has these options. */
struct view_options {
	bool json;
	bool no_headings;
	const char *columns;
};

#define VIEW_SHORT	"hJo:"
#define VIEW_LONG						\
	{ "help",	no_argument,		NULL, 'h' },	\
	{ "json",	no_argument,		NULL, 'J' },	\
	{ "output",	required_argument,	NULL, 'o' },	\
	{ "noheadings",	no_argument,		NULL, 'H' }
#define VIEW_HELP							\
	"  -J, --json            JSON instead of a table\n"		\
	"  -o, --output COLUMNS  these columns, with commas; +COLUMNS: these too;\n" \
	"                        help lists them\n"		\
	"      --noheadings      no headings\n"

/* false if it is none of them. */
bool view_option(struct view_options *options, int option, const char *arg);

/*
 * Which columns are shown if none were chosen: on a terminal of less than 100
 * columns, @narrow, whose rows fit into 80.
 */
const char *view_columns(const struct view_options *options, const char *wide,
			 const char *narrow);

struct view;

/*
 * @columns: what there is, and must outlive the view
 * @fallback: which ones, if none were chosen
 * @list: what the rows are called in JSON
 * @status: out: the exit status if there is nothing more to do: "-o help", or
 *	wrong columns
 *
 * NULL then.
 */
struct view *view_new(const struct column *columns, size_t count,
		      const char *fallback, const char *list,
		      const struct view_options *options, int *status);
void view_free(struct view *view);

/* Is this column to be shown? What is not need not be found out. */
bool view_wants(const struct view *view, size_t column);
void view_row(struct view *view);
/* A value of the last row; NULL for none. What can't be printed is '?'. */
void view_set(struct view *view, size_t column, const char *value);
void view_setf(struct view *view, size_t column, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Is it a table on a terminal? */
bool view_is_for_person(const struct view *view);
size_t view_rows(const struct view *view);
/* A column by its name; -1 if there is none. */
int view_column(const struct view *view, const char *name, size_t length);
/* By the values of @column: text from A on, numbers from the largest on. */
void view_sort(struct view *view, size_t column, bool reverse);
/* The sum of a column of numbers. */
unsigned long long view_sum(const struct view *view, size_t column);
void view_set_now(struct view *view, size_t column);
/* A value of the last row, NULL if there is none. */
const char *view_get(const struct view *view, size_t column);

/* All rows, as one table or one document. */
int view_print(struct view *view);
/* All rows, as a table, to @to. */
int view_print_to(struct view *view, FILE *to);
/*
 * How wide each column is at least in a stream, whose later rows aren't known.
 * Each grows with the widest value so far. One for each column; they outlive the
 * view.
 */
void view_set_widths(struct view *view, unsigned int *widths);
/* The last row, as a line of text or JSON, in a stream. */
int view_print_row(struct view *view);
/* All rows as one line of JSON, or as a table; then they are forgotten. */
int view_print_frame(struct view *view);
/* Each row as lines "column: value", if it is no JSON. */
int view_print_tall(struct view *view);

#endif /* TOKMUX_TOOL_VIEW_H */
