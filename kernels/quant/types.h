// Every block format. The only place that lists the headers.
#pragma once

#include "quant/bf16.h"
#include "quant/f16.h"
#include "quant/f32.h"
#include "quant/q2_K.h"
#include "quant/q3_K.h"
#include "quant/q4_0.h"
#include "quant/q4_1.h"
#include "quant/q4_K.h"
#include "quant/q5_0.h"
#include "quant/q5_1.h"
#include "quant/q5_K.h"
#include "quant/q6_K.h"
#include "quant/q8_0.h"
