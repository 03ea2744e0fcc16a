// The checked door for programs: refuses every one in which an operand does not exist or a shape does not fit, so that
// a step of what passes cannot read or write outside its memory. Expects nothing of the words: they may be anything.
#include "exec/verify.h"

#include "exec/pages.h"
#include "include/kernels.h"

namespace qs {

namespace {

constexpr uint32_t kMaxColumns = 1u << 24;       // activations of a token; the widest vocabularies have 2^18
constexpr uint32_t kMaxContext = 1u << 24;       // positions stay exact in a float
constexpr float kMaxFrequency = 0x1p26f;         // radians per position; times the context below 2^51, NaN refused
constexpr uint64_t kMaxSliceBytes = 1ull << 48;  // more than an address space; times the slices it fits in 64 bits
constexpr uint32_t kMaxSlices = 4096;            // experts of a layer
constexpr uint32_t kMaxHeads = 1024;             // of a layer
constexpr uint32_t kMaxSequences = 4096;
constexpr int32_t kMaxSlots = 4096, kMaxLayers = 1024;  // so that no product of the limits overflows 64 bits

struct Shape {
  const Program& program;
  const qs_weight* weights;

  uint32_t columns(int32_t slot) const { return static_cast<uint32_t>(program.slots[slot].columns); }
  bool same_memory(int32_t a, int32_t b) const { return program.slots[a].base == program.slots[b].base; }
  uint32_t constants() const { return static_cast<uint32_t>(program.header->constants); }
  uint32_t vocabulary() const { return static_cast<uint32_t>(program.header->vocabulary); }
  // Frequencies that at any position stay where sin_cos (exec/math.h) may convert to integers.
  bool turns(int32_t first, int32_t count) const {
    for (int32_t i = first; i < first + count; ++i) {
      if (!(__builtin_fabsf(program.constants[i]) <= kMaxFrequency)) return false;
    }
    return true;
  }
  bool vector(int32_t weight, uint32_t length) const {  // F32, as every norm and bias of a GGUF is
    return weight < 0 || (weights[weight].type == 0 && weights[weight].columns == length && weights[weight].rows == 1 &&
                          weights[weight].slices == 1);
  }
};

bool positive(int32_t value, uint32_t limit) { return value > 0 && static_cast<uint32_t>(value) <= limit; }

// Shapes of one operation whose operands exist.
bool fits(const Shape& s, const Step& o, bool wanted) {
  switch (o.operation()) {
    case EMBED: {
      const qs_weight& w = s.weights[o[1]];
      return w.columns == s.columns(o[0]) && w.rows == s.vocabulary() && w.slices == 1 && !wanted;
    }
    case RMS_NORM:
      return s.columns(o[0]) == s.columns(o[1]) && positive(o[3], kMaxColumns) &&
             s.columns(o[0]) % static_cast<uint32_t>(o[3]) == 0 && s.vector(o[2], static_cast<uint32_t>(o[3]));
    case LAYER_NORM:
      return s.columns(o[0]) == s.columns(o[1]) && s.vector(o[2], s.columns(o[0])) && s.vector(o[3], s.columns(o[0]));
    case MATMUL: {
      const qs_weight& w = s.weights[o[2]];
      return s.columns(o[1]) == w.columns && s.columns(o[0]) == w.rows && w.slices == 1 && s.vector(o[3], w.rows) &&
             !s.same_memory(o[0], o[1]);
    }
    case ROPE: {
      if (!positive(o[1], kMaxColumns) || !positive(o[2], kMaxColumns) || (o[3] != 0 && o[3] != 1) || o[4] < 0)
        return false;
      if (static_cast<uint64_t>(o[1]) * static_cast<uint64_t>(o[2]) != s.columns(o[0])) return false;
      const float count = s.program.constants[o[4]];
      return count >= 1.0f && count * 2.0f <= static_cast<float>(o[2]) &&
             count == static_cast<float>(static_cast<uint32_t>(count)) &&
             static_cast<uint64_t>(o[4]) + 1 + static_cast<uint32_t>(count) <= s.constants() &&
             s.turns(o[4] + 1, static_cast<int32_t>(count)) && !wanted;
    }
    case STORE:
      return s.columns(o[1]) == static_cast<uint32_t>(s.program.layers[o[0]].key_columns) &&
             s.columns(o[2]) == static_cast<uint32_t>(s.program.layers[o[0]].value_columns) && !wanted;
    case ATTENTION: {
      const Layer& layer = s.program.layers[o[2]];
      if (!positive(o[3], kMaxHeads) || o[3] % layer.heads != 0 || o[6] < 0 || wanted) return false;
      // In 64 bits: a head as wide as 2^24 times 1024 heads is 2^34.
      const uint64_t heads = static_cast<uint64_t>(o[3]), kv_heads = static_cast<uint64_t>(layer.heads);
      const uint64_t keys = static_cast<uint64_t>(layer.key_columns),
                     values = static_cast<uint64_t>(layer.value_columns);
      return s.columns(o[1]) == keys / kv_heads * heads && s.columns(o[0]) == values / kv_heads * heads &&
             !s.same_memory(o[0], o[1]);
    }
    case ADD:
      return s.columns(o[0]) == s.columns(o[1]) && s.columns(o[0]) == s.columns(o[2]);
    case GATE:
      return s.columns(o[0]) == s.columns(o[1]) && s.columns(o[0]) == s.columns(o[2]) && (o[3] == 0 || o[3] == 1);
    case ACTIVATE:
      return s.columns(o[0]) == s.columns(o[1]) && (o[2] == 0 || o[2] == 1);
    case SCALE:
    case SOFT_CAP:
    case WANTED:
      return s.columns(o[0]) == s.columns(o[1]);
    case ROUTE:
      return positive(o[2], 1024) && positive(o[3], 4096) && o[2] <= o[3] && (o[4] == 0 || o[4] == 1) &&
             s.columns(o[0]) == 2 * static_cast<uint32_t>(o[2]) && s.columns(o[1]) == static_cast<uint32_t>(o[3]) &&
             !s.same_memory(o[0], o[1]);
    case EXPERTS: {
      const qs_weight& w = s.weights[o[3]];
      const uint64_t used = positive(o[4], 1024) ? static_cast<uint64_t>(o[4]) : 0;
      return used > 0 && s.columns(o[2]) == 2 * used && s.columns(o[0]) == used * w.rows &&
             (s.columns(o[1]) == w.columns || s.columns(o[1]) == used * w.columns) && !s.same_memory(o[0], o[1]) &&
             !s.same_memory(o[0], o[2]);
    }
    case MIX: {
      const uint64_t used = positive(o[3], 1024) ? static_cast<uint64_t>(o[3]) : 0;
      return used > 0 && s.columns(o[2]) == 2 * used && s.columns(o[1]) == used * s.columns(o[0]) &&
             !s.same_memory(o[0], o[1]) && !s.same_memory(o[0], o[2]);
    }
    case LOGITS:
      return s.columns(o[0]) == s.vocabulary() && wanted;
    default:
      return false;
  }
}

bool slot_fits(const Slot* slots, int32_t index) {
  const Slot& slot = slots[index];
  if (slot.base < 0 || slot.base > index || slot.offset < 0 || !positive(slot.columns, kMaxColumns)) return false;
  if (slot.base == index) return slot.offset == 0;
  const Slot& base = slots[slot.base];
  return base.base == slot.base && slot.offset <= base.columns && slot.columns <= base.columns - slot.offset;
}

bool operand_exists(const Program& program, char kind, int32_t value, size_t weight_count) {
  const auto below = [value](int32_t count) { return value >= 0 && value < count; };
  switch (kind) {
    case 'o':
    case 'i':
      return below(program.header->slots);
    case 'w':
    case 'W':
      return (kind == 'W' && value == -1) || (value >= 0 && static_cast<size_t>(value) < weight_count);
    case 'l':
      return below(program.header->layers);
    case 'c':
      return below(program.header->constants);
    default:
      return true;
  }
}

}  // namespace

qs_exec_status check_weights(const qs_weight* weights, size_t count, size_t* where) {
  for (size_t i = 0; i < count; ++i) {
    const qs_weight& w = weights[i];
    *where = i;
    size_t type = 0;
    while (type < qs_type_count() && qs_type_id(type) != w.type) ++type;
    if (type == qs_type_count() || !w.data || w.columns == 0 || w.columns > kMaxColumns || w.rows == 0 ||
        w.slices == 0 || w.columns % qs_type_block_size(type) != 0 ||
        reinterpret_cast<uintptr_t>(w.data) % (w.type == 0 ? sizeof(float) : sizeof(uint16_t)) != 0) {
      return QS_EXEC_BAD_WEIGHT;
    }
    const uint64_t row = static_cast<uint64_t>(w.columns / qs_type_block_size(type)) * qs_type_block_bytes(type);
    const uint64_t slice = row * w.rows;  // below 2^26 * 2^32
    if (slice > kMaxSliceBytes || w.slices > kMaxSlices || slice * w.slices != w.bytes) return QS_EXEC_BAD_WEIGHT;
  }
  return QS_EXEC_OK;
}

qs_exec_status check_program(const int32_t* words, size_t count, const qs_weight* weights, size_t weight_count,
                             size_t* where) {
  constexpr size_t kHeaderWords = sizeof(Header) / sizeof(int32_t);
  *where = 0;
  if (count < kHeaderWords || words[0] != QS_PROGRAM_MAGIC || words[1] != QS_PROGRAM_VERSION) {
    return QS_EXEC_BAD_PROGRAM;
  }
  for (size_t i = 2; i < kHeaderWords; ++i) {
    *where = i;
    if (words[i] < 0) return QS_EXEC_BAD_PROGRAM;
  }
  const Header& header = *reinterpret_cast<const Header*>(words);
  // Each count is below 2^31, so the sum does not overflow 64 bits.
  const uint64_t expected = kHeaderWords + 3ull * static_cast<uint32_t>(header.slots) +
                            3ull * static_cast<uint32_t>(header.layers) + static_cast<uint32_t>(header.constants) +
                            static_cast<uint32_t>(header.code_words);
  if (expected != count || !positive(header.context, kMaxContext) || !positive(header.batch, kMaxContext) ||
      !positive(header.sequences, kMaxSequences) || !positive(header.cells, kMaxContext) ||
      static_cast<uint64_t>(header.cells) >
          static_cast<uint64_t>(header.context) * static_cast<uint32_t>(header.sequences) ||
      header.batch > header.cells || header.slots > kMaxSlots || header.layers > kMaxLayers ||
      !positive(header.vocabulary, kMaxColumns) || header.cache_type >= kCacheTypes) {
    return QS_EXEC_BAD_PROGRAM;
  }
  const Program program = Program::of(words);
  for (int32_t i = 0; i < header.slots; ++i) {
    *where = static_cast<size_t>(reinterpret_cast<const int32_t*>(program.slots + i) - words);
    if (!slot_fits(program.slots, i)) return QS_EXEC_BAD_PROGRAM;
  }
  for (int32_t i = 0; i < header.layers; ++i) {
    const Layer& layer = program.layers[i];
    *where = static_cast<size_t>(reinterpret_cast<const int32_t*>(&layer) - words);
    if (!positive(layer.key_columns, kMaxColumns) || !positive(layer.value_columns, kMaxColumns) ||
        !positive(layer.heads, kMaxHeads) || layer.key_columns % layer.heads != 0 ||
        layer.value_columns % layer.heads != 0) {
      return QS_EXEC_BAD_PROGRAM;
    }
    if (header.cache_type == kCacheQ8_0 &&
        (layer.key_columns / layer.heads % 32 != 0 || layer.value_columns / layer.heads % 32 != 0)) {
      return QS_EXEC_BAD_PROGRAM;
    }
  }
  bool wanted = false, has_logits = false;
  bool used_for_all[kMaxSlots] = {};  // per slot: whether it holds something of every token of a step
  Step step = {program.code};
  for (int32_t i = 0; i < header.operations; ++i, step = step.next()) {
    const size_t at = *where = static_cast<size_t>(step.word - words);
    if (has_logits || at >= count || step.operation() < 0 || step.operation() >= kOperations) {
      return QS_EXEC_BAD_PROGRAM;
    }
    const size_t operands = operand_count(step.operation());
    if (operands > count - at - 1) return QS_EXEC_BAD_PROGRAM;
    for (size_t k = 0; k < operands; ++k) {
      if (!operand_exists(program, kOperands[step.operation()][k], step[k], weight_count)) return QS_EXEC_BAD_PROGRAM;
    }
    if (!fits({program, weights}, step, wanted)) return QS_EXEC_BAD_PROGRAM;
    for (size_t k = 0; k < operands; ++k) {
      const char kind = kOperands[step.operation()][k];
      const bool is_slot = kind == 'i' || (kind == 'o' && step.operation() != WANTED);
      if (is_slot && !wanted) used_for_all[program.slots[step[k]].base] = true;
    }
    wanted = wanted || step.operation() == WANTED;
    has_logits = step.operation() == LOGITS;
  }
  if (!has_logits || step.word != words + count) return QS_EXEC_BAD_PROGRAM;
  // The memory of the logits is the caller's, with rows for those that are wanted.
  const int32_t logits = logits_slot(program);
  *where = static_cast<size_t>(step.word - words) - 1;
  return program.slots[logits].base == logits && !used_for_all[logits] ? QS_EXEC_OK : QS_EXEC_BAD_PROGRAM;
}

}  // namespace qs
