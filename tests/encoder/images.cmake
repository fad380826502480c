eidetic_test(image_decoder_test SOURCES image_decoder_test.cc DEPENDS eidetic_image OpenSSL::Crypto)
eidetic_test(resize_test SOURCES resize_test.cc DEPENDS eidetic_image OpenSSL::Crypto)
eidetic_test(image_preprocessor_test SOURCES image_preprocessor_test.cc DEPENDS eidetic_image OpenSSL::Crypto)
