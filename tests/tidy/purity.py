#!/usr/bin/python3
"""Proves from the object code that the core is sans I/O: what each of its libraries needs.

    purity.py --lib-dir DIR --module base --module crypto …     exit 1 on any finding
    purity.py --self-test

Every symbol that a core library takes from elsewhere must be memory, a container's or an
assertion's own, or be defined by a core library it depends on. crypto/ may call the named library
functions. So no clock, lock, environment, system call, foreign randomness, exception or RTTI can be
linked in, and a dependency against the arrows is noticed even where no include shows it.
"""
import argparse
import pathlib
import re
import subprocess
import sys

from tidy import closure

MEMORY = {
    "operator new(unsigned long)", "operator delete(void*)",
    "operator delete(void*, unsigned long)",
    "operator new[](unsigned long)", "operator delete[](void*)",
    "operator new(unsigned long, std::align_val_t)",
    "operator delete(void*, std::align_val_t)",
    "operator delete(void*, unsigned long, std::align_val_t)",
    "operator new(unsigned long, std::nothrow_t const&)", "std::nothrow",  # std::stable_sort
    "memcpy", "memmove", "memset", "memcmp", "memchr", "strlen", "bcmp",
    "__memcpy_chk", "__memmove_chk", "__memset_chk",
    "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail", "__dso_handle",
}
# Containers, strings and what they call when misused; none of it keeps state or asks the system.
CONTAINERS = [
    r"std::__throw_(length_error|logic_error|out_of_range|out_of_range_fmt|bad_alloc"
    r"|bad_array_new_length|bad_variant_access|bad_optional_access|bad_function_call"
    r"|invalid_argument)\(.*\)",
    r"std::__cxx11::basic_string<char, .*",
    r"std::(__detail::)?_?(Rb_tree|List_node_base|Prime_rehash_policy|Hash_bytes)\b.*",
    r"std::_(Rb_tree|Hash_bytes|Fnv_hash_bytes).*",
    r"std::__detail::_(List_node_base|Prime_rehash_policy).*",
    r"std::__detail::__(digit|to_chars|from_chars).*",
    r"(typeinfo|vtable) for never",
]
ASSERTIONS = {"abort", "__cxa_pure_virtual"}
ASSERTION_PATTERNS = [r"std::__glibcxx_assert_fail\(.*\)", r"std::terminate\(\)"]

# What crypto/ may call. A function that draws randomness, reads the clock or the environment, or
# starts a thread is not here; keys and nonces come from the Rng that was handed in.
CRYPTO = {
    # OpenSSL: one-shot objects and their parameters.
    "EVP_CIPHER_CTX_new", "EVP_CIPHER_CTX_free", "EVP_CIPHER_CTX_ctrl", "EVP_CIPHER_CTX_reset",
    "EVP_CIPHER_CTX_copy", "EVP_CIPHER_CTX_set_padding", "EVP_CIPHER_fetch", "EVP_CIPHER_free",
    "EVP_CipherInit_ex", "EVP_CipherInit_ex2", "EVP_CipherUpdate", "EVP_CipherFinal_ex",
    "EVP_EncryptInit_ex", "EVP_EncryptInit_ex2", "EVP_EncryptUpdate", "EVP_EncryptFinal_ex",
    "EVP_DecryptInit_ex", "EVP_DecryptInit_ex2", "EVP_DecryptUpdate", "EVP_DecryptFinal_ex",
    "EVP_aes_256_gcm", "EVP_chacha20_poly1305", "EVP_chacha20",
    "EVP_MD_CTX_new", "EVP_MD_CTX_free", "EVP_MD_CTX_reset", "EVP_MD_CTX_copy_ex",
    "EVP_MD_fetch", "EVP_MD_free", "EVP_DigestInit_ex", "EVP_DigestInit_ex2", "EVP_DigestUpdate",
    "EVP_DigestFinal_ex", "EVP_Digest", "EVP_blake2s256", "EVP_sha256", "EVP_sha512",
    "EVP_MAC_fetch", "EVP_MAC_free", "EVP_MAC_CTX_new", "EVP_MAC_CTX_free", "EVP_MAC_CTX_dup",
    "EVP_MAC_init", "EVP_MAC_update", "EVP_MAC_final", "EVP_MAC_CTX_set_params",
    "OSSL_PARAM_construct_size_t", "OSSL_PARAM_construct_octet_string",
    "OSSL_PARAM_construct_utf8_string", "OSSL_PARAM_construct_end",
    "CRYPTO_memcmp", "OPENSSL_cleanse", "HMAC",
    # libsodium: pure functions of their arguments (key pairs from a seed, never drawn inside).
    "sodium_memzero", "sodium_memcmp", "sodium_is_zero",
    "crypto_scalarmult", "crypto_scalarmult_base", "crypto_scalarmult_curve25519",
    "crypto_scalarmult_curve25519_base",
    "crypto_sign_seed_keypair", "crypto_sign_detached", "crypto_sign_verify_detached",
    "crypto_sign_ed25519_seed_keypair", "crypto_sign_ed25519_detached",
    "crypto_sign_ed25519_verify_detached", "crypto_core_ed25519_is_valid_point",
    "crypto_aead_xchacha20poly1305_ietf_encrypt", "crypto_aead_xchacha20poly1305_ietf_decrypt",
    "crypto_aead_xchacha20poly1305_ietf_encrypt_detached",
    "crypto_aead_xchacha20poly1305_ietf_decrypt_detached",
    "crypto_verify_16", "crypto_verify_32",
}

# The two function-local statics of the core and what fills them: OpenSSL's algorithms
# (src/crypto/libraries.cc says why), and the addresses of ipsec-mb's functions, which are read out
# of a manager that is freed at once. The compiler's CPU test executes CPUID and XGETBV.
CRYPTO |= {"OSSL_LIB_CTX_new", "OSSL_PROVIDER_load", "sodium_init",
           "__cxa_guard_acquire", "__cxa_guard_release"}
CRYPTO |= {"alloc_mb_mgr", "init_mb_mgr_auto", "free_mb_mgr", "imb_get_errno", "imb_get_version",
           "__cpu_model", "__cpu_features2"}
STATICS_ALLOWED = {
    "guard variable for ipop::crypto::libraries()::kLibraries",
    "guard variable for ipop::crypto::(anonymous namespace)::functions()::kFunctions",
}

# Named apart only for a message that says what is wrong.
WHY = [
    (r"__cxa_(throw|begin_catch|end_catch|rethrow|allocate_exception)|__gxx_personality|_Unwind_",
     "an exception"),
    (r"typeinfo|__cxxabiv1|__dynamic_cast", "RTTI"),
    (r"__cxa_guard", "a function-local static with run-time initialisation"),
    (r"__cxa_atexit", "a global with a destructor"),
    (r"clock|time|gettimeofday", "a clock"),
    (r"pthread|mutex|thread|__gthr", "a thread or a lock"),
    (r"getenv|environ", "the environment"),
    (r"rand", "somebody else's randomness"),
    (r"basic_ostream|basic_istream|ios_base|printf|puts|fwrite|std::locale", "a stream"),
]


def nm(library, *options):
    run = subprocess.run(["nm", "-C", *options, str(library)], capture_output=True, text=True,
                         check=True)
    for line in run.stdout.split("\n"):
        found = re.match(r"^[0-9a-f ]{16} ([A-Za-z]) (.+)$", line)
        if found:
            yield found.group(1), found.group(2)


def judge(module, needed, defined, available):
    """Findings of one library. `needed`, `defined`: its symbols; `available`: what it may use."""
    for name in sorted(needed - defined):
        if name in MEMORY or name in ASSERTIONS or name in available:
            continue
        if any(re.fullmatch(p, name) for p in CONTAINERS + ASSERTION_PATTERNS):
            continue
        if module == "crypto" and name in CRYPTO:
            continue
        if name.startswith("ipop::"):
            yield f"{module}: needs {name}, which no library it may depend on defines"
            continue
        why = next((text for pattern, text in WHY if re.search(pattern, name)), "not on the list")
        yield f"{module}: needs {name} ({why})"
    for name in sorted(defined):
        if name.startswith(("typeinfo for ", "typeinfo name for ")):
            yield f"{module}: defines {name} (RTTI)"
        elif name.startswith("guard variable for ") and name not in STATICS_ALLOWED:
            yield f"{module}: defines {name} (a static with run-time initialisation)"
        elif name.startswith("_GLOBAL__sub_I_"):
            yield f"{module}: defines {name} (a global with a constructor)"


def findings(lib_dir, modules):
    symbols = {}
    for module in modules:
        listed = list(nm(lib_dir / module / f"libipop_{module}.a"))
        symbols[module] = ({name for kind, name in listed if kind in "Uwv"},
                           {name for kind, name in listed if kind not in "Uwv"})
    for module in modules:
        needed, defined = symbols[module]
        available = set()
        for other in closure(module) - {module}:
            available |= symbols.get(other, (set(), set()))[1]
        yield from judge(module, needed, defined, available)


SNIPPETS = [  # (module, needed, defined, available, what the message must contain; None = silent)
    ("engine", {"clock_gettime"}, set(), set(), "a clock"),
    ("engine", {"std::chrono::_V2::steady_clock::now()"}, set(), set(), "a clock"),
    ("engine", {"pthread_mutex_lock"}, set(), set(), "a lock"),
    ("engine", {"getenv"}, set(), set(), "environment"),
    ("engine", {"getrandom"}, set(), set(), "randomness"),
    ("engine", {"sendto"}, set(), set(), "not on the list"),
    ("engine", {"EVP_sha256"}, set(), set(), "not on the list"),
    ("crypto", {"RAND_bytes"}, set(), set(), "not on the list"),
    ("crypto", {"randombytes_buf"}, set(), set(), "randomness"),
    ("crypto", {"imb_set_session"}, set(), set(), "not on the list"),
    ("session", {"alloc_mb_mgr"}, set(), set(), "not on the list"),
    ("crypto", {"crypto_sign_keypair"}, set(), set(), "not on the list"),
    ("engine", {"__cxa_throw"}, set(), set(), "exception"),
    ("engine", {"__gxx_personality_v0"}, set(), set(), "exception"),
    ("engine", {"__cxa_guard_acquire"}, set(), set(), "static"),
    ("engine", {"__cxa_atexit"}, set(), set(), "destructor"),
    ("engine", {"vtable for __cxxabiv1::__class_type_info"}, set(), set(), "RTTI"),
    ("engine", set(), {"typeinfo for ipop::Rng"}, set(), "RTTI"),
    ("engine", set(), {"guard variable for ipop::x"}, set(), "static"),
    ("engine", set(), {"_GLOBAL__sub_I_x.cc"}, set(), "constructor"),
    ("session", {"ipop::member::f()"}, set(), set(), "may depend on"),
    ("session", {"ipop::crypto::f()"}, set(), {"ipop::crypto::f()"}, None),
    ("session", {"ipop::session::f()"}, {"ipop::session::f()"}, set(), None),
    ("crypto", {"EVP_aes_256_gcm", "memcpy"}, set(), set(), None),
    ("base", {"std::__throw_length_error(char const*)", "abort"}, set(), set(), None),
]


def self_test():
    failures = 0
    for module, needed, defined, available, wanted in SNIPPETS:
        messages = list(judge(module, needed, defined, available))
        if (bool(messages) if wanted is None else not any(wanted in m for m in messages)):
            failures += 1
            print(f"{needed or defined}: wanted {wanted!r}, got {messages}")
    print(f"{len(SNIPPETS)} cases, {failures} unnoticed")
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lib-dir", type=pathlib.Path)
    parser.add_argument("--module", action="append", default=[])
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return 1 if self_test() else 0
    if not options.lib_dir or not options.module:
        parser.error("--lib-dir and --module, or --self-test")
    found = list(findings(options.lib_dir, options.module))
    print("\n".join(found + [f"{len(options.module)} libraries, {len(found)} findings"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
