#pragma once

#include <node_api.h>

// Adds the functions of the executor to the addon's exports; false when that failed.
bool define_engine(napi_env env, napi_value exports);
