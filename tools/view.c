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
#include <unistd.h>
#include "text.h"
#include "view.h"

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
	bool headed;
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

static int print_columns(const struct column *columns, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		printf("  %-16s %s\n", columns[i].name, columns[i].help);
	return STATUS_OK;
}

static bool show(struct view *view, const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < view->count; i++) {
		if (strlen(view->columns[i].name) != length ||
		    strncasecmp(view->columns[i].name, name, length))
			continue;
		if (!view_wants(view, i))
			view->shown[view->nr_shown++] = i;
		return true;
	}
	return false;
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

static const char *shown_text(struct view *view, size_t row, size_t column)
{
	const char *text = view->cells[row * view->count + column];

	if (text && view->columns[column].kind == FLAG)
		return *text == '1' ? "yes" : "no";
	return text;
}

static void heading(char *to, size_t size, const char *name)
{
	size_t i;

	snprintf(to, size, "%s", name);
	for (i = 0; to[i]; i++)
		to[i] = to[i] == '_' ? '-' : toupper((unsigned char)to[i]);
}

int view_print_to(struct view *view, FILE *to)
{
	struct libscols_table *table;
	struct libscols_line *line;
	char name[64];
	size_t i, row;

	scols_init_debug(0);
	table = need(scols_new_table());
	scols_table_set_stream(table, to);
	scols_table_enable_noheadings(table, view->options.no_headings);
	for (i = 0; i < view->nr_shown; i++) {
		const struct column *c = &view->columns[view->shown[i]];

		heading(name, sizeof(name), c->name);
		need(scols_table_new_column(table, name, 0,
			c->kind == NUMBER ? SCOLS_FL_RIGHT : 0));
	}
	for (row = 0; row < view->rows; row++) {
		line = need(scols_table_new_line(table, NULL));
		for (i = 0; i < view->nr_shown; i++)
			scols_line_set_data(line, i,
				shown_text(view, row, view->shown[i]));
	}
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

int view_print_row(struct view *view)
{
	const char *text;
	char name[64];
	size_t i;

	if (view->options.json)
		return print_json(json_row(view, view->rows - 1),
				  JSON_C_TO_STRING_PLAIN);
	/* What comes next is not known: columns of a fixed width. */
	for (i = 0; !view->headed && !view->options.no_headings &&
		    i < view->nr_shown; i++) {
		heading(name, sizeof(name), view->columns[view->shown[i]].name);
		printf(i + 1 < view->nr_shown ? "%-15s " : "%s\n", name);
	}
	view->headed = true;
	for (i = 0; i < view->nr_shown; i++) {
		text = shown_text(view, view->rows - 1, view->shown[i]);
		printf(i + 1 < view->nr_shown ? "%-15s " : "%s\n",
		       text ? text : "-");
	}
	fflush(stdout);
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
