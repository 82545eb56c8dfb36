import type { OutgoingHttpHeaders } from 'node:http2'
import { AppError } from '../../contract/errors.ts'
import type { PushRequest } from '../../contract/node-api.ts'

/** APNs answers 413 PayloadTooLarge above this; refused here before it costs a stream. */
export const MAX_PAYLOAD_BYTES = 4_096

/** What all pushes of one request have in common. */
export interface PushMessage {
  body: Buffer
  headers: OutgoingHttpHeaders
}

/**
 * An update without alert, sound or badge wakes the app silently: APNs wants it marked `background` with priority 5, and
 * drops it otherwise ("Pushing background updates to your App").
 */
const isBackground = (payload: Record<string, unknown>): boolean => {
  const aps = payload.aps
  if (typeof aps !== 'object' || aps === null) return false
  const fields = aps as Record<string, unknown>
  return (
    fields['content-available'] === 1 &&
    fields.alert === undefined &&
    fields.sound === undefined &&
    fields.badge === undefined
  )
}

/** Body and headers of a push without its token, id and authorization. Throws `ERR_TOO_LARGE`. */
export const composeMessage = (request: PushRequest, topic: string): PushMessage => {
  const body = Buffer.from(JSON.stringify(request.payload))
  if (body.length > MAX_PAYLOAD_BYTES) {
    throw new AppError(
      'ERR_TOO_LARGE',
      `The payload is ${body.length} bytes of JSON; APNs takes at most ${MAX_PAYLOAD_BYTES}`,
      {
        bytes: body.length,
        limit: MAX_PAYLOAD_BYTES,
      },
    )
  }
  const background = isBackground(request.payload)
  const headers: OutgoingHttpHeaders = {
    ':method': 'POST',
    'apns-topic': topic,
    'apns-push-type': background ? 'background' : 'alert',
    'apns-priority': String(request.priority ?? (background ? 5 : 10)),
    'content-type': 'application/json',
    'content-length': body.length,
  }
  if (request.expiration !== undefined) headers['apns-expiration'] = String(request.expiration)
  if (request.collapseId !== undefined) headers['apns-collapse-id'] = request.collapseId
  return { body, headers }
}
