/** A page of a list with page numbers; iterating over it goes on through all later pages. */
export interface OffsetPage<T> extends AsyncIterable<T> {
  data: T[];
  pagination: { currentPage: number; totalPages: number; count: number };
  hasNextPage(): boolean;
  /** Throws RangeError on the last page. */
  getNextPage(): Promise<OffsetPage<T>>;
}

/** `load` fetches the page of that number. */
export function offsetPage<T>(
  { data, pagination }: Pick<OffsetPage<T>, "data" | "pagination">,
  load: (page: number) => Promise<OffsetPage<T>>,
): OffsetPage<T> {
  const hasNextPage = (): boolean => pagination.currentPage < pagination.totalPages;
  const getNextPage = async (): Promise<OffsetPage<T>> => {
    if (!hasNextPage()) throw new RangeError("This is the last page");
    return load(pagination.currentPage + 1);
  };
  return {
    data,
    pagination,
    hasNextPage,
    getNextPage,
    async *[Symbol.asyncIterator]() {
      yield* data;
      if (hasNextPage()) yield* await getNextPage();
    },
  };
}
