import { post } from './http.ts'

/** Opens a session (cookie). Throws `ApiError`. */
export const signIn = (email: string, password: string): Promise<unknown> =>
  post('/api/auth/sign-in/email', { email, password })

/** Ends the session and leaves for the sign-in page; a session that is already gone is fine too. */
export const signOut = async (): Promise<void> => {
  await post('/api/auth/sign-out', {}).catch(() => undefined)
  location.assign('/login')
}
