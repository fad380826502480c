// Lays pixels with alpha over white, rounded to nearest. Stateless; any thread.
#ifndef EIDETIC_ENCODER_ALPHA_OVER_WHITE_H_
#define EIDETIC_ENCODER_ALPHA_OVER_WHITE_H_

#include <cstddef>
#include <cstdint>

namespace eidetic::encoder {

// `rgba` has 4 * count bytes, alpha not multiplied in; `rgb` gets 3 * count.
void LayOverWhite(const uint8_t* rgba, size_t count, uint8_t* rgb);

// The same for colours that alpha is already multiplied into.
void LayPremultipliedOverWhite(const uint8_t* rgba, size_t count, uint8_t* rgb);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_ALPHA_OVER_WHITE_H_
