import { createHmac } from 'node:crypto'

/** The header that carries {@link signatureOf}. */
export const SIGNATURE_HEADER = 'tidegate-signature'

/**
 * Signs what is posted to somebody else's URL: `t=<unix seconds>,v1=<hex HMAC-SHA-256 of "t.body">`. The time is signed too, so that its
 * receiver can refuse what was recorded and sent again.
 *
 * @param body exactly the bytes that are sent
 * @param nowMs epoch ms
 */
export const signatureOf = (secret: string, body: string, nowMs: number): string => {
  const t = Math.floor(nowMs / 1_000)
  return `t=${t},v1=${createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')}`
}
