/** An IPv4 client that reached an IPv6 socket is named by its IPv4 address (RFC 4291 §2.5.5.2): it is one client, not two. */
export const plainAddress = (address: string | undefined): string =>
  (address ?? '').replace(/^::ffff:(?=\d{1,3}\.)/i, '')
