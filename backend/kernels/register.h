// What Go calls.
#ifndef GONAS_REGISTER_H
#define GONAS_REGISTER_H

#include <stddef.h>

// Registers every handler with the plug-in of this PJRT_Api. Returns 0, or -1
// and a message.
int gn_register(const void *table, char *message, size_t size);

// The name of the instruction set in use.
const char *gn_set_name(void);

#endif
