import type { Reading } from './reading.ts'

/** Whom a program wants to know before it answers. */
export interface BasicAuth {
  readonly user: string
  readonly password: string
}

/** The header that says who we are (RFC 7617, UTF-8); none where nothing is configured. */
export const authHeaders = (auth: BasicAuth | undefined): Readonly<Record<string, string>> =>
  auth === undefined
    ? {}
    : { authorization: `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}` }

/** The same answer, saying what to configure where the program asked for a password, or refused the one it got. */
export const explained = <Answer extends Pick<Reading, 'outcome' | 'status' | 'reason'>>(
  answer: Answer,
  auth: BasicAuth | undefined,
): Answer => {
  if (answer.status !== 401 || answer.outcome !== 'bad_status') return answer
  return {
    ...answer,
    reason:
      auth === undefined
        ? 'answered 401: it asks for a user and a password (basic auth); give this node auth: { user, password }'
        : `answered 401: it does not take the user ${JSON.stringify(auth.user)} with the password of auth`,
  }
}
