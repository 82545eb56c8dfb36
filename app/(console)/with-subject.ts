import { headers } from 'next/headers'
import { notFound } from 'next/navigation'

/** Answers 404 for the page of something that the server says nobody knows. */
export const withSubject = async (): Promise<void> => {
  if ((await headers()).get('x-tidegate-missing') === '1') notFound()
}
