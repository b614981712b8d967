// Registers the handlers with a plug-in.
#include <stdio.h>
#include <string.h>

#include "kernels.h"
#include "register.h"

typedef struct {
  size_t size;
  ffi_extension *extensions;
  const void *error;
  const char *message;
  size_t length;
} pjrt_message;

typedef struct {
  size_t size;
  ffi_extension *extensions;
  void *error;
} pjrt_destroy;

static void destroy(const pjrt_api *api, void *error) {
  pjrt_destroy d = {sizeof d, NULL, error};
  api->error_destroy(&d);
}

// A structure's size without what the compiler puts behind its last field.
#define END(type, last) (offsetof(type, last) + sizeof(((type *)0)->last))

int gn_register(const void *table, char *message, size_t size) {
  const pjrt_api *api = table;
  const pjrt_ffi_extension *ffi = NULL;
  for (const ffi_extension *e = api->extensions; e; e = e->next) {
    if (e->type == PJRT_EXTENSION_FFI) {
      ffi = (const pjrt_ffi_extension *)e;
      break;
    }
  }
  if (!ffi || ffi->base.size < sizeof *ffi || !ffi->register_handler) {
    snprintf(message, size, "the plug-in has no extension for registering handlers");
    return -1;
  }
  for (int i = 0; i < gn_handler_count; i++) {
    const char *name = gn_handlers[i].name;
    void *handler = (void *)gn_handlers[i].handler;
    pjrt_ffi_register r = {END(pjrt_ffi_register, traits), name, strlen(name), handler, "Host", 4, 0};
    pjrt_ffi_register_old old = {END(pjrt_ffi_register_old, traits), name, strlen(name), 1, handler, "Host", 4, 0};
    void *error = ffi->register_handler(&r);
    if (error) {
      destroy(api, error);
      error = ffi->register_handler(&old);
    }
    if (!error) continue;
    pjrt_message m = {sizeof m, NULL, error, "", 0};
    api->error_message(&m);
    snprintf(message, size, "%s: %.*s", name, (int)m.length, m.message);
    destroy(api, error);
    return -1;
  }
  return 0;
}

const char *gn_set_name(void) { return gn_best()->name; }
