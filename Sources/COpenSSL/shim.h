// The system's OpenSSL (1.1.1 or newer) for the TLS of a client, and what of it Swift cannot see: macros,
// and a few sequences of calls that are all or nothing.
//
// OpenSSL's headers are imported whole, by one Swift target. What is not a function there is one here.

#ifndef CONNECT_COPENSSL_SHIM_H
#define CONNECT_COPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#if OPENSSL_VERSION_NUMBER < 0x10101000L
#error "OpenSSL 1.1.1 or newer is needed, for TLS 1.3"
#endif

// A context's settings.

static inline int connect_ssl_ctx_set_min_version(SSL_CTX *context, int version) {
  return SSL_CTX_set_min_proto_version(context, version);
}

/// Sets the modes that every connection of ours needs: a write gives back after each record, from a
/// buffer that may have moved; nothing is renegotiated, so that a write never waits for a read;
/// sessions are kept by us alone.
static inline void connect_ssl_ctx_set_client_modes(SSL_CTX *context) {
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
}

/// In place of OpenSSL's own, which asks for the password of an encrypted key on the terminal.
static inline int connect_no_password(char *buffer, int size, int is_writing, void *data) {
  (void)buffer, (void)size, (void)is_writing, (void)data;
  return 0;
}

static inline void connect_ssl_ctx_ask_no_password(SSL_CTX *context) {
  SSL_CTX_set_default_passwd_cb(context, connect_no_password);
}

// One connection.

static inline int connect_ssl_set_server_name(SSL *ssl, const char *name) {
  return (int)SSL_set_tlsext_host_name(ssl, name);
}

static inline void connect_ssl_set_owner(SSL *ssl, void *owner) { SSL_set_ex_data(ssl, 0, owner); }

static inline void *connect_ssl_owner(const SSL *ssl) { return SSL_get_ex_data(ssl, 0); }

/// The connection whose peer is being verified.
static inline void *connect_store_ctx_owner(X509_STORE_CTX *store) {
  SSL *ssl = (SSL *)X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  return ssl == NULL ? NULL : connect_ssl_owner(ssl);
}

/// A connection over two memory BIOs, which it owns; NULL when memory is short. An empty BIO means "not yet"
/// and never the end of the stream: that is for the owner to see.
static inline SSL *connect_ssl_new_client(SSL_CTX *context) {
  SSL *ssl = SSL_new(context);
  BIO *input = BIO_new(BIO_s_mem());
  BIO *output = BIO_new(BIO_s_mem());
  if (ssl == NULL || input == NULL || output == NULL) {
    SSL_free(ssl);
    BIO_free(input);
    BIO_free(output);
    return NULL;
  }
  BIO_set_mem_eof_return(input, -1);
  BIO_set_mem_eof_return(output, -1);
  SSL_set_bio(ssl, input, output);
  SSL_set_connect_state(ssl);
  return ssl;
}

// Errors.

static inline int connect_err_is_ssl(unsigned long code) { return ERR_GET_LIB(code) == ERR_LIB_SSL; }

static inline int connect_err_reason(unsigned long code) { return ERR_GET_REASON(code); }

/// Whether a private key was refused because it is not the certificate's.
static inline int connect_err_is_key_mismatch(unsigned long code) {
  return ERR_GET_LIB(code) == ERR_LIB_X509 &&
         (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH ||
          ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH);
}

// Texts of certificates, for errors: each writes at most `size` bytes and returns how many.

static inline int connect_bio_take(BIO *bio, char *text, int size) {
  int count = BIO_read(bio, text, size);
  BIO_free(bio);
  return count > 0 ? count : 0;
}

/// As `DNS:a.example, IP Address:192.0.2.1`.
static inline int connect_x509_names(X509 *certificate, char *text, int size) {
  int index = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
  BIO *bio = index < 0 ? NULL : BIO_new(BIO_s_mem());
  if (bio == NULL) return 0;
  X509V3_EXT_print(bio, X509_get_ext(certificate, index), 0, 0);
  return connect_bio_take(bio, text, size);
}

static inline int connect_x509_subject(X509 *certificate, char *text, int size) {
  BIO *bio = BIO_new(BIO_s_mem());
  if (bio == NULL) return 0;
  X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  return connect_bio_take(bio, text, size);
}

static inline int connect_x509_issuer(X509 *certificate, char *text, int size) {
  BIO *bio = BIO_new(BIO_s_mem());
  if (bio == NULL) return 0;
  X509_NAME_print_ex(bio, X509_get_issuer_name(certificate), 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  return connect_bio_take(bio, text, size);
}

static inline int connect_asn1_time(const ASN1_TIME *time, char *text, int size) {
  BIO *bio = time == NULL ? NULL : BIO_new(BIO_s_mem());
  if (bio == NULL) return 0;
  ASN1_TIME_print(bio, time);
  return connect_bio_take(bio, text, size);
}

#endif
