import { DrainPageContent } from '@/components/drains/drain-page-content.tsx'
import { withSubject } from '../../with-subject.ts'

export default async function DrainPage({ params }: { params: Promise<{ id: string }> }) {
  await withSubject()
  const { id } = await params
  return <DrainPageContent id={id} />
}
