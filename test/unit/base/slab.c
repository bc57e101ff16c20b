/*
 * The slab: objects are apart, zeroed, and their pages go back.
 */
#include "base/slab.h"

#include "unit/base/kit.h"

static void objects_are_zeroed_and_aligned(void **state)
{
	struct slab s;

	(void)state;
	slab_init(&s, 100);
	for (int i = 0; i < 3; i++) {
		uint8_t *object = slab_take(&s);

		assert_int_equal((uintptr_t)object % 16, 0);
		for (int j = 0; j < 100; j++)
			assert_int_equal(object[j], 0);
		memset(object, 0xff, 100);
		slab_give_back(&s, object);
	}
	slab_fini(&s);
}

static void memory_comes_back(void **state)
{
	enum { OBJECTS = 5000 };
	static void *objects[OBJECTS];
	struct slab s;

	(void)state;
	slab_init(&s, 500);
	for (int i = 0; i < OBJECTS; i++)
		objects[i] = slab_take(&s);
	size_t most = s.pages;
	assert_int_equal(s.used, OBJECTS);
	assert_true(most >= OBJECTS * 500 / 65536);
	for (int i = 0; i < OBJECTS; i++)
		slab_give_back(&s, objects[i]);
	assert_int_equal(s.used, 0);
	assert_int_equal(s.pages, 1);
	for (int i = 0; i < OBJECTS; i++)
		objects[i] = slab_take(&s);
	assert_int_equal(s.pages, most);
	for (int i = OBJECTS; i-- > 0;)
		slab_give_back(&s, objects[i]);
	assert_int_equal(s.pages, 1);
	slab_fini(&s);
	assert_int_equal(s.pages, 0);
}

/* Few objects on many pages are a leak of another name: the next come from the fullest.
 */
static void a_page_with_objects_is_filled_before_an_empty_one(void **state)
{
	enum { OBJECTS = 3000 };
	static void *objects[OBJECTS];
	struct slab s;

	(void)state;
	slab_init(&s, 500);
	for (int i = 0; i < OBJECTS; i++)
		objects[i] = slab_take(&s);
	for (int i = 1; i < OBJECTS; i++)
		slab_give_back(&s, objects[i]);
	assert_true(s.pages <= 2);
	for (int i = 1; i < 100; i++)
		objects[i] = slab_take(&s);
	assert_true(s.pages <= 2);
	for (int i = 0; i < 100; i++)
		slab_give_back(&s, objects[i]);
	slab_fini(&s);
}

static void random_use_never_hands_out_an_object_twice(void **state)
{
	enum { OBJECTS = 2000, LEN = 200 };
	static uint8_t *objects[OBJECTS];
	struct dice dice = {.state = 3};
	struct slab s;
	size_t used = 0;

	(void)state;
	slab_init(&s, LEN);
	for (int round = 0; round < 200000; round++) {
		unsigned i = dice_of(&dice, round % 40000 < 20000 ? OBJECTS : 50);

		if (!objects[i]) {
			objects[i] = slab_take(&s);
			assert_int_equal(objects[i][0], 0);
			memset(objects[i], (int)(i % 255) + 1, LEN);
			used++;
		} else {
			assert_int_equal(objects[i][0], i % 255 + 1);
			assert_int_equal(objects[i][LEN - 1], i % 255 + 1);
			slab_give_back(&s, objects[i]);
			objects[i] = NULL;
			used--;
		}
		assert_int_equal(s.used, used);
		assert_true(s.pages * s.per_page >= used);
	}
	for (int i = 0; i < OBJECTS; i++)
		if (objects[i])
			slab_give_back(&s, objects[i]);
	assert_int_equal(s.pages, 1);
	slab_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(objects_are_zeroed_and_aligned),
	    cmocka_unit_test(memory_comes_back),
	    cmocka_unit_test(a_page_with_objects_is_filled_before_an_empty_one),
	    cmocka_unit_test(random_use_never_hands_out_an_object_twice),
	};

	return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
