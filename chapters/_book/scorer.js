/* How the search reads a question and ranks the pages; it becomes a part of Sphinx's script. */

// Words that make a question and say nothing of its subject.  They stay when there is nothing else.
var splitQuery = (query) => {
  const words = query.toLowerCase().replace(/\b(1|one)-?cycle/g, "one-cycle")
    .split(/[^\p{Letter}\p{Number}_]+/u).filter((word) => word);
  const asking = new Set(("how what when where which who why do does did can could should would " +
                          "may must i me my we our you your am was were has have had").split(" "));
  const rest = words.filter((word) => !asking.has(word));
  return rest.length ? rest : words;
};

var Scorer = {
  objNameMatch: 11, objPartialMatch: 6, objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 10, partialTitle: 6, term: 5, partialTerm: 2,

  // Sphinx takes the best score of any one word and then goes by the alphabet.  Here every word
  // counts, the more the rarer it is in headings: three times in the title or the name of a page,
  // once in another heading.  Of equals, what explains comes before what applies it.
  score: ([docname, title, anchor, description, score]) => {
    if (description) return score;                                  // an entry of the reference
    const {docnames, titles, titleterms} = Search._index;
    const page = docnames.indexOf(docname), [part, name] = docname.split("/").slice(-2);
    const stemmer = new Stemmer();
    const stems = (words) => words.map((word) => stemmer.stemWord(word));
    const asked = splitQuery(new URLSearchParams(location.search).get("q"));
    const pairs = asked.slice(1).map((word, i) => asked[i] + word);          // warm up: warmup
    const subject = new Set(stems([...splitQuery(titles[page]), name.replaceAll("_", "")]));
    for (const word of new Set(stems([...asked, ...pairs]))) {
      if (stopwords.includes(word)) continue;
      const headed = [titleterms[word] ?? []].flat();
      const rarity = Math.log2(docnames.length / Math.max(1, headed.length));
      score += rarity * (subject.has(word) ? 3 : headed.includes(page) ? 1 : 0);
    }
    return score + ["cases", "methods", "principles"].indexOf(part) / 4;
  },
};
