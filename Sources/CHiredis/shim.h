// The system's hiredis as a RESP parser, and nothing else of it.
//
// hiredis by default builds a tree of malloc'ed replies: measured at 4 µs for one stream entry of six
// fields. The object functions below append flat nodes to one arena per batch instead (0.4 µs): a node
// per value, in the order in which they arrive, with the bytes of strings copied into one block.
//
// hiredis 0.14 (Debian 12) and 1.x differ in the signatures of the object functions, and 1.x knows the
// types of RESP3. Both differences end in this file: Connect speaks RESP2, so a type of RESP3 can only
// come from a server that is not one, and is refused as a protocol error.

#ifndef CONNECT_CHIREDIS_SHIM_H
#define CONNECT_CHIREDIS_SHIM_H

#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct connect_node {
  /// REDIS_REPLY_STRING, _ARRAY, _INTEGER, _NIL, _STATUS or _ERROR.
  int32_t type;
  /// A string's length in bytes, or an array's number of elements.
  uint32_t count;
  /// An integer's value, or the offset of a string's first byte in the arena's bytes.
  int64_t value;
} connect_node;

typedef struct connect_arena {
  connect_node *nodes;
  size_t node_count;
  size_t node_capacity;
  char *bytes;
  size_t byte_count;
  size_t byte_capacity;
} connect_arena;

/// A parser, and where its values go. hiredis notes its private data in the first task of a reply as soon as
/// it looks for one, before any byte of it came; so what it notes never changes, and the arena in it does.
typedef struct connect_reader {
  redisReader *hiredis;
  connect_arena *arena;
  /// Why an object function refused a value, if one did: hiredis itself can only say that memory was short.
  const char *refusal;
} connect_reader;

static inline connect_arena *connect_arena_create(void) {
  return (connect_arena *)calloc(1, sizeof(connect_arena));
}

static inline void connect_arena_destroy(connect_arena *arena) {
  free(arena->nodes);
  free(arena->bytes);
  free(arena);
}

/// Doubles a block until `needed` elements fit. NULL, with the old block untouched, when memory is short.
static inline void *connect_arena_grow(void *block, size_t *capacity, size_t needed, size_t size) {
  size_t grown = *capacity == 0 ? 64 : *capacity;
  while (grown < needed) grown *= 2;
  void *moved = realloc(block, grown * size);
  if (moved != NULL) *capacity = grown;
  return moved;
}

static inline connect_node *connect_arena_append(connect_arena *arena) {
  if (arena->node_count == arena->node_capacity) {
    void *moved = connect_arena_grow(
        arena->nodes, &arena->node_capacity, arena->node_count + 1, sizeof(connect_node));
    if (moved == NULL) return NULL;
    arena->nodes = (connect_node *)moved;
  }
  return &arena->nodes[arena->node_count++];
}

// What the object functions return stands for the value in hiredis's bookkeeping, which only asks whether
// it is NULL (out of memory). The arena itself serves.

#if HIREDIS_MAJOR >= 1
static inline void *connect_refuse(const redisReadTask *task, const char *why) {
  ((connect_reader *)task->privdata)->refusal = why;
  return NULL;
}
static inline void *connect_refuse_type(const redisReadTask *task) {
  return connect_refuse(task, "Protocol error, got a type of RESP3");
}
#endif

static inline void *connect_on_string(const redisReadTask *task, char *bytes, size_t length) {
  connect_arena *arena = ((connect_reader *)task->privdata)->arena;
  size_t needed = arena->byte_count + length;
  if (length > UINT32_MAX) return NULL;
#if HIREDIS_MAJOR >= 1
  // A verbatim string or a big number.
  if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_STATUS && task->type != REDIS_REPLY_ERROR)
    return connect_refuse_type(task);
#endif
  if (needed > arena->byte_capacity) {
    void *moved = connect_arena_grow(arena->bytes, &arena->byte_capacity, needed, 1);
    if (moved == NULL) return NULL;
    arena->bytes = (char *)moved;
  }
  connect_node *node = connect_arena_append(arena);
  if (node == NULL) return NULL;
  node->type = task->type;
  node->count = (uint32_t)length;
  node->value = (int64_t)arena->byte_count;
  if (length > 0) memcpy(arena->bytes + arena->byte_count, bytes, length);
  arena->byte_count = needed;
  return arena;
}

static inline void *connect_append_plain(
    const redisReadTask *task, int32_t type, uint32_t count, int64_t value) {
  connect_arena *arena = ((connect_reader *)task->privdata)->arena;
  connect_node *node = connect_arena_append(arena);
  if (node == NULL) return NULL;
  node->type = type;
  node->count = count;
  node->value = value;
  return arena;
}

#if HIREDIS_MAJOR >= 1
static inline void *connect_on_array(const redisReadTask *task, size_t count) {
  if (task->type != REDIS_REPLY_ARRAY) return connect_refuse_type(task);
  // As deep as 0.14 goes: 1.x alone would nest without end, or 1,024 deep.
  if (((connect_reader *)task->privdata)->hiredis->ridx >= 8)
    return connect_refuse(task, "Protocol error, arrays are nested too deep");
  if (count > UINT32_MAX) return NULL;
  return connect_append_plain(task, REDIS_REPLY_ARRAY, (uint32_t)count, 0);
}
static inline void *connect_on_double(const redisReadTask *task, double value, char *text, size_t length) {
  (void)value, (void)text, (void)length;
  return connect_refuse_type(task);
}
static inline void *connect_on_bool(const redisReadTask *task, int value) {
  (void)value;
  return connect_refuse_type(task);
}
#else
static inline void *connect_on_array(const redisReadTask *task, int count) {
  return connect_append_plain(task, REDIS_REPLY_ARRAY, (uint32_t)count, 0);
}
#endif

static inline void *connect_on_integer(const redisReadTask *task, long long value) {
  return connect_append_plain(task, REDIS_REPLY_INTEGER, 0, value);
}

static inline void *connect_on_nil(const redisReadTask *task) {
#if HIREDIS_MAJOR >= 1
  // RESP2's nils are strings and arrays of length -1; others are RESP3's own, or its other types' of length -1.
  if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_ARRAY)
    return connect_refuse_type(task);
#endif
  return connect_append_plain(task, REDIS_REPLY_NIL, 0, 0);
}

/// The arena is its Swift owner's to free.
static inline void connect_on_free(void *object) { (void)object; }

static redisReplyObjectFunctions connect_object_functions = {
    .createString = connect_on_string,
    .createArray = connect_on_array,
    .createInteger = connect_on_integer,
#if HIREDIS_MAJOR >= 1
    .createDouble = connect_on_double,
    .createBool = connect_on_bool,
#endif
    .createNil = connect_on_nil,
    .freeObject = connect_on_free,
};

static inline connect_reader *connect_reader_create(void) {
  connect_reader *reader = (connect_reader *)calloc(1, sizeof(connect_reader));
  if (reader == NULL) return NULL;
  reader->hiredis = redisReaderCreateWithFunctions(&connect_object_functions);
  if (reader->hiredis == NULL) {
    free(reader);
    return NULL;
  }
  reader->hiredis->privdata = reader;
  return reader;
}

static inline void connect_reader_destroy(connect_reader *reader) {
  redisReaderFree(reader->hiredis);
  free(reader);
}

/// Values parsed from here on are appended to `arena`. Only to be called between replies.
static inline void connect_reader_use(connect_reader *reader, connect_arena *arena) {
  reader->arena = arena;
}

/// 0 when memory is short, or the reader has failed before.
static inline int connect_reader_feed(connect_reader *reader, const char *bytes, size_t count) {
  return redisReaderFeed(reader->hiredis, bytes, count) == REDIS_OK;
}

/// 1: one whole reply was appended; 0: more bytes are needed; -1: `connect_reader_error` says what is wrong.
static inline int connect_reader_next(connect_reader *reader) {
  void *reply = NULL;
  if (redisReaderGetReply(reader->hiredis, &reply) != REDIS_OK) return -1;
  return reply == NULL ? 0 : 1;
}

/// How many bytes the parser has not looked at: those after the reply that it has just appended.
static inline size_t connect_reader_unread(const connect_reader *reader) {
  return reader->hiredis->len - reader->hiredis->pos;
}

static inline const char *connect_reader_error(const connect_reader *reader) {
  return reader->refusal != NULL ? reader->refusal : reader->hiredis->errstr;
}

#endif
