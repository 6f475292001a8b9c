// What of an address may be shown and logged.

/** Parts of a URI that are secrets: who logs in, and what a query says (SRT's passphrase, streamid). */
export function withoutSecrets(uri: string): string {
  return uri.replace(/\/\/[^/?#@]*@/, '//').replace(/[?#].*$/s, '');
}
