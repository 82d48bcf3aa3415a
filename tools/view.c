// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A view: rows of named values, as a table (libsmartcols) or JSON (json-c).
 */
#include <ctype.h>
#include <err.h>
#include <json-c/json.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "text.h"
#include "view.h"

/* A terminal with fewer columns has no room for everything. */
#define NARROW	100

struct view {
	const struct column *columns;
	size_t count;
	const char *list;
	struct view_options options;
	/* Indices of columns, in the order to be shown. */
	size_t *shown, nr_shown;
	/* rows × count */
	char **cells;
	size_t rows;
	/* Of a stream: least widths, or NULL; the table that its rows are printed with, one by one. */
	unsigned int *widths;
	struct libscols_table *stream;
};

/* Out of memory for a table: there is nothing to save. */
static void *need(void *p)
{
	if (!p)
		errx(STATUS_FAILED, "tokmux: out of memory");
	return p;
}

bool view_option(struct view_options *options, int option, const char *arg)
{
	switch (option) {
	case 'J':
		options->json = true;
		return true;
	case 'o':
		options->columns = arg;
		return true;
	case 'H':
		options->no_headings = true;
		return true;
	default:
		return false;
	}
}

static unsigned int terminal_width(void)
{
	struct winsize size = {};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return 80;
	return size.ws_col;
}

static bool is_narrow(void)
{
	return isatty(STDOUT_FILENO) && terminal_width() < NARROW;
}

const char *view_columns(const struct view_options *options, const char *wide,
			 const char *narrow)
{
	return !options->json && is_narrow() ? narrow : wide;
}

static int print_columns(const struct column *columns, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		printf("  %-16s %s\n", columns[i].name, columns[i].help);
	return STATUS_OK;
}

int view_column(const struct view *view, const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < view->count; i++)
		if (strlen(view->columns[i].name) == length &&
		    !strncasecmp(view->columns[i].name, name, length))
			return (int)i;
	return -1;
}

static bool show(struct view *view, const char *name, size_t length)
{
	int column = view_column(view, name, length);

	if (column >= 0 && !view_wants(view, column))
		view->shown[view->nr_shown++] = column;
	return column >= 0;
}

static bool show_all(struct view *view, const char *names)
{
	size_t length;

	for (;;) {
		length = strcspn(names, ",");
		if (!show(view, names, length)) {
			bad_usage("no column '%.*s', see -o help", (int)length,
				  names);
			return false;
		}
		if (!names[length])
			return true;
		names += length + 1;
	}
}

struct view *view_new(const struct column *columns, size_t count,
		      const char *fallback, const char *list,
		      const struct view_options *options, int *status)
{
	const char *chosen = options->columns;
	struct view *view;

	if (chosen && !strcmp(chosen, "help")) {
		*status = print_columns(columns, count);
		return NULL;
	}
	view = need(calloc(1, sizeof(*view)));
	*view = (struct view){ .columns = columns, .count = count,
			       .list = list, .options = *options };
	view->shown = need(calloc(count, sizeof(*view->shown)));
	if ((!chosen || *chosen == '+') && !show_all(view, fallback))
		goto bad;
	if (chosen && !show_all(view, *chosen == '+' ? chosen + 1 : chosen))
		goto bad;
	return view;
bad:
	*status = STATUS_USAGE;
	view_free(view);
	return NULL;
}

static void forget_rows(struct view *view)
{
	size_t i;

	for (i = 0; i < view->rows * view->count; i++)
		free(view->cells[i]);
	free(view->cells);
	view->cells = NULL;
	view->rows = 0;
}

void view_free(struct view *view)
{
	if (!view)
		return;
	forget_rows(view);
	scols_unref_table(view->stream);
	free(view->shown);
	free(view);
}

bool view_wants(const struct view *view, size_t column)
{
	size_t i;

	for (i = 0; i < view->nr_shown; i++)
		if (view->shown[i] == column)
			return true;
	return false;
}

void view_row(struct view *view)
{
	size_t i, first = view->rows * view->count;

	view->cells = need(reallocarray(view->cells, first + view->count,
					sizeof(*view->cells)));
	for (i = 0; i < view->count; i++)
		view->cells[first + i] = NULL;
	view->rows++;
}

void view_set(struct view *view, size_t column, const char *value)
{
	char **cell = &view->cells[(view->rows - 1) * view->count + column];

	free(*cell);
	*cell = value ? need(strdup(value)) : NULL;
	if (*cell)
		text_make_printable(*cell);
}

void view_setf(struct view *view, size_t column, const char *format, ...)
{
	char *value;
	va_list args;

	va_start(args, format);
	if (vasprintf(&value, format, args) < 0)
		need(NULL);
	va_end(args);
	view_set(view, column, value);
	free(value);
}

void view_set_now(struct view *view, size_t column)
{
	struct timespec now;
	char text[64];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	view_setf(view, column, "%s.%06ldZ", text, now.tv_nsec / 1000);
}

bool view_is_for_person(const struct view *view)
{
	return !view->options.json && isatty(STDOUT_FILENO);
}

size_t view_rows(const struct view *view)
{
	return view->rows;
}

unsigned long long view_sum(const struct view *view, size_t column)
{
	unsigned long long sum = 0;
	const char *cell;
	size_t row;

	for (row = 0; row < view->rows; row++) {
		cell = view->cells[row * view->count + column];
		if (cell)
			sum += strtoull(cell, NULL, 10);
	}
	return sum;
}

/* ---- in order --------------------------------------------------------------- */

struct order {
	size_t column;
	enum kind kind;
	bool reverse;
};

/* What has no value comes last. */
static int compare_rows(const void *a, const void *b, void *data)
{
	const struct order *order = data;
	const char *one = ((char *const *)a)[order->column];
	const char *two = ((char *const *)b)[order->column];
	double x, y;
	int less;

	if (!one || !two)
		return !one - !two;
	if (order->kind == TEXT || order->kind == LONG_TEXT ||
	    order->kind == NUMBERS) {
		less = strcmp(one, two);
	} else {
		x = strtod(one, NULL);
		y = strtod(two, NULL);
		less = (x < y) - (x > y);
	}
	return order->reverse ? -less : less;
}

void view_sort(struct view *view, size_t column, bool reverse)
{
	struct order order = { column, view->columns[column].kind, reverse };

	if (view->rows)
		qsort_r(view->cells, view->rows,
			view->count * sizeof(*view->cells), compare_rows, &order);
}

const char *view_get(const struct view *view, size_t column)
{
	return view->cells[(view->rows - 1) * view->count + column];
}

/* ---- JSON ------------------------------------------------------------------ */

static struct json_object *json_number(const char *text)
{
	if (*text == '-')
		return json_object_new_int64(strtoll(text, NULL, 10));
	if (strchr(text, '.'))
		return json_object_new_double_s(strtod(text, NULL), text);
	return json_object_new_uint64(strtoull(text, NULL, 10));
}

static struct json_object *json_numbers(const char *text)
{
	struct json_object *array = need(json_object_new_array());
	char *copy = need(strdup(text)), *rest = copy, *word;

	while ((word = strsep(&rest, " ")))
		if (*word)
			json_object_array_add(array, need(json_number(word)));
	free(copy);
	return array;
}

/* NULL is JSON's null. */
static struct json_object *json_value(enum kind kind, const char *text)
{
	if (!text)
		return NULL;
	switch (kind) {
	case NUMBER:
	case DURATION:
		return need(json_number(text));
	case NUMBERS:
		return json_numbers(text);
	case FLAG:
		return need(json_object_new_boolean(*text == '1'));
	default:
		return need(json_object_new_string(text));
	}
}

static struct json_object *json_row(struct view *view, size_t row)
{
	struct json_object *object = need(json_object_new_object());
	size_t i, c;

	for (i = 0; i < view->nr_shown; i++) {
		c = view->shown[i];
		json_object_object_add(object, view->columns[c].name,
			json_value(view->columns[c].kind,
				   view->cells[row * view->count + c]));
	}
	return object;
}

static struct json_object *json_rows(struct view *view)
{
	struct json_object *array = need(json_object_new_array());
	size_t row;

	for (row = 0; row < view->rows; row++)
		json_object_array_add(array, json_row(view, row));
	return array;
}

static int print_json(struct json_object *object, int style)
{
	puts(need((void *)json_object_to_json_string_ext(object,
				style | JSON_C_TO_STRING_NOSLASHESCAPE)));
	json_object_put(object);
	fflush(stdout);
	return STATUS_OK;
}

static int print_document(struct view *view, int style)
{
	struct json_object *document = need(json_object_new_object());

	json_object_object_add(document, view->list, json_rows(view));
	return print_json(document, style);
}

/* ---- text ------------------------------------------------------------------ */

static const char *shown_duration(const char *text)
{
	static char shown[32];
	double seconds = strtod(text, NULL);
	unsigned long s = (unsigned long)seconds;

	if (seconds < 0.001)
		snprintf(shown, sizeof(shown), "%.0f us", seconds * 1e6);
	else if (seconds < 1)
		snprintf(shown, sizeof(shown), "%.0f ms", seconds * 1e3);
	else if (seconds < 60)
		snprintf(shown, sizeof(shown), "%.1f s", seconds);
	else if (s < 3600)
		snprintf(shown, sizeof(shown), "%lu min %02lu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(shown, sizeof(shown), "%lu h %02lu min", s / 3600,
			 s / 60 % 60);
	else
		snprintf(shown, sizeof(shown), "%lu d %lu h", s / 86400,
			 s / 3600 % 24);
	return shown;
}

/* Of text as view_set_now() makes it. */
static const char *shown_time(const char *text)
{
	static char shown[32];
	const char *point = strchr(text, '.');
	struct tm tm = {};
	char clock[16];
	time_t time;

	if (!point || !strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
		return text;
	time = timegm(&tm);
	localtime_r(&time, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	snprintf(shown, sizeof(shown), "%s%.4s", clock, point);
	return shown;
}

/* Good until the next call. */
static const char *shown_text(struct view *view, size_t row, size_t column)
{
	const char *text = view->cells[row * view->count + column];

	if (text && view->columns[column].kind == FLAG)
		return *text == '1' ? "yes" : "no";
	if (text && view->columns[column].kind == DURATION)
		return shown_duration(text);
	if (text && view->columns[column].kind == TIMESTAMP)
		return shown_time(text);
	return text;
}

static void heading(char *to, size_t size, const char *name)
{
	size_t i;

	snprintf(to, size, "%s", name);
	for (i = 0; to[i]; i++)
		to[i] = to[i] == '_' ? '-' : toupper((unsigned char)to[i]);
}

/* libsmartcols heeds a width only if it is more than the heading's. */
static double stream_width(const struct view *view, size_t i, size_t heading)
{
	unsigned int width = view->widths[view->shown[i]];

	return width > heading ? width : heading + 1;
}

/* Without lines. In a stream the columns have their least widths. */
static struct libscols_table *new_table(struct view *view, FILE *to, bool stream)
{
	bool terminal = isatty(fileno(to));
	struct libscols_table *table;
	char name[64];
	size_t i;
	int flags;

	scols_init_debug(0);
	table = need(scols_new_table());
	scols_table_set_stream(table, to);
	scols_table_enable_noheadings(table, view->options.no_headings);
	for (i = 0; i < view->nr_shown; i++) {
		const struct column *c = &view->columns[view->shown[i]];

		flags = stream ? SCOLS_FL_STRICTWIDTH : 0;
		if (c->kind == NUMBER || c->kind == DURATION)
			flags |= SCOLS_FL_RIGHT;
		/* A row that is cut is better to read than one that wraps. */
		else if (c->kind == LONG_TEXT && terminal)
			flags |= SCOLS_FL_TRUNC;
		heading(name, sizeof(name), c->name);
		need(scols_table_new_column(table, name,
			stream ? stream_width(view, i, strlen(name)) : 0, flags));
	}
	return table;
}

/*
 * Of a stream's row on a narrow terminal. libsmartcols would cut each row as it
 * likes, so that one is not aligned with the next.
 */
static bool is_cut(const struct view *view, size_t column)
{
	return view->stream && view->columns[column].kind == LONG_TEXT &&
	       is_narrow();
}

static void add_line(struct view *view, struct libscols_table *table, size_t row)
{
	struct libscols_line *line = need(scols_table_new_line(table, NULL));
	const char *text;
	char cut[128];
	size_t i, c;

	for (i = 0; i < view->nr_shown; i++) {
		c = view->shown[i];
		text = shown_text(view, row, c);
		if (text && is_cut(view, c)) {
			snprintf(cut, sizeof(cut), "%.*s",
				 (int)view->widths[c], text);
			text = cut;
		}
		scols_line_set_data(line, i, text);
	}
}

int view_print_to(struct view *view, FILE *to)
{
	struct libscols_table *table = new_table(view, to, false);
	size_t row;

	for (row = 0; row < view->rows; row++)
		add_line(view, table, row);
	/* Not even headings for a table without a line. */
	if (view->rows)
		scols_print_table(table);
	scols_unref_table(table);
	fflush(to);
	return STATUS_OK;
}

int view_print(struct view *view)
{
	if (view->options.json)
		return print_document(view, JSON_C_TO_STRING_PRETTY |
				      JSON_C_TO_STRING_SPACED);
	return view_print_to(view, stdout);
}

int view_print_frame(struct view *view)
{
	int ret;

	if (view->options.json)
		ret = print_document(view, JSON_C_TO_STRING_PLAIN);
	else
		ret = view_print_to(view, stdout);
	forget_rows(view);
	return ret;
}

void view_set_widths(struct view *view, unsigned int *widths)
{
	view->widths = widths;
}

/* All are ASCII: names, commands, numbers. */
static void widen(struct view *view)
{
	size_t i, width;

	for (i = 0; i < view->nr_shown; i++) {
		const char *text = shown_text(view, view->rows - 1, view->shown[i]);
		unsigned int *least = &view->widths[view->shown[i]];

		width = text ? strlen(text) : 0;
		if (width <= *least || is_cut(view, view->shown[i]))
			continue;
		*least = width;
		if (view->stream)
			scols_column_set_whint(scols_table_get_column(view->stream, i),
					       width);
	}
}

static void print_line(struct view *view)
{
	bool first = !view->stream;

	if (first)
		view->stream = new_table(view, stdout, true);
	widen(view);
	add_line(view, view->stream, view->rows - 1);
	scols_print_table(view->stream);
	scols_table_remove_lines(view->stream);
	if (first)
		scols_table_enable_noheadings(view->stream, 1);
}

int view_print_row(struct view *view)
{
	if (view->options.json)
		print_json(json_row(view, view->rows - 1), JSON_C_TO_STRING_PLAIN);
	else
		print_line(view);
	fflush(stdout);
	forget_rows(view);
	return STATUS_OK;
}

int view_print_tall(struct view *view)
{
	const char *text;
	size_t i, row;

	if (view->options.json)
		return view_print(view);
	for (row = 0; row < view->rows; row++) {
		if (row)
			putchar('\n');
		for (i = 0; i < view->nr_shown; i++) {
			text = shown_text(view, row, view->shown[i]);
			if (text)
				printf("%16s: %s\n",
				       view->columns[view->shown[i]].name, text);
		}
	}
	fflush(stdout);
	return STATUS_OK;
}
