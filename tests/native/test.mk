# SPDX-License-Identifier: GPL-2.0-only
# Tests that need no guest. A directory tests/native/NAME has a Makefile that
# says what it has and includes this:
#
#	TOP		:= ../../..
#	TEST_GEN_PROGS	:= foo bar	# C programs, each from its own .c
#	TEST_PROGS	:= baz.sh	# scripts
#	include ../test.mk
#
# Each prints TAP; tests/check native runs them in that directory, with B, the
# build directory, in the environment, and native-san does so with SAN set.
# CPPFLAGS, LDFLAGS and LDLIBS may be added to before including this;
# libtokmux is linked where LDLIBS has -ltokmux.
include $(TOP)/build.mk

name	:= $(notdir $(CURDIR))
gen	:= $(patsubst %,$(B)/tests/$(name)/%,$(TEST_GEN_PROGS))

all: $(gen)

$(gen): $(B)/tests/$(name)/%: %.c Makefile ../test.mk $(wildcard *.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(ALL_CFLAGS) -o $@ $< -L$(B) -Wl,-rpath,$(B) \
		$(ALL_LDFLAGS) $(LDLIBS)

# What there is to run, a line each.
list:
	@printf '%s\n' $(gen) $(addprefix $(CURDIR)/,$(TEST_PROGS))

-include $(gen:=.d)
.PHONY: all list
