/* What the files of the nursery have in common. */
#ifndef NURSERY_H
#define NURSERY_H

#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_FD 3
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* Ends an init or a guest that could not be set up, or the nursery, with a word to the agent and the reason in errno. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

#define MUST(call) ({ __typeof__(call) must = (call); if (must == (__typeof__(must))-1) fail("%s", #call); must; })

/* fork.c. Once, before the first fork: fails where a guest would share what it must not. `mine` are descriptors that the caller looks after. */
void prepare_forks(const int *mine, int count);
/* In a guest, as root still: from here on it is a Node of its own. */
void become_own_process(void);

/* What is used of node_api.h, uv.h and openssl/rand.h; images for production have no headers. */
typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
typedef struct uv_loop_s uv_loop_t;
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_create_int32(napi_env, int32_t, napi_value *);
int napi_get_array_length(napi_env, napi_value, uint32_t *);
int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
int napi_get_element(napi_env, napi_value, uint32_t, napi_value *);
int napi_get_value_string_utf8(napi_env, napi_value, char *, size_t, size_t *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
uv_loop_t *uv_default_loop(void);
int uv_loop_alive(const uv_loop_t *);
int uv_loop_fork(uv_loop_t *);
int RAND_poll(void);

#endif
