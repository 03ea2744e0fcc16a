#pragma once

#include "exec/program.h"

namespace qs {

// Every weight has a type that can be decoded and the bytes its shape needs; `*where` is the first that has not.
qs_exec_status check_weights(const qs_weight* weights, size_t count, size_t* where);

// Whether a program may be run on these (checked) weights; `*where` is the word at fault.
qs_exec_status check_program(const int32_t* words, size_t count, const qs_weight* weights, size_t weight_count,
                             size_t* where);

}  // namespace qs
