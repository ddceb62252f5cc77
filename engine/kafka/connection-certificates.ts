/**
 * What OpenSSL could not use of certificates and keys; both clients would say so much later, and worse.
 *
 * I1  No message has anything of a certificate's or key's text.
 */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

const certificates = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What is wrong with certificates in PEM form. @param name of the text, in the messages */
export function certificateProblems(name: string, text: string): string[] {
  const found = text.match(certificates) ?? [];
  if (found.length === 0) return [`${name} holds no certificate in PEM form`];
  return found.flatMap((pem, i) => {
    try {
      new X509Certificate(pem);
      return [];
    } catch (error) {
      return [`${name}: certificate ${i + 1} cannot be read: ${reasonOf(error)}`];
    }
  });
}

/** Why a certificate and a key, both in PEM form, cannot be used; undefined when they can. @param names of both */
export function keyPairProblem(names: string, cert: string, key: string): string | undefined {
  try {
    createSecureContext({ cert, key });
    return undefined;
  } catch (error) {
    return `${names} cannot be used together, both in PEM form, the key not encrypted: ${reasonOf(error)}`;
  }
}
