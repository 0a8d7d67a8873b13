//! A small reader of Rust sources: which paths a file names, imported or inline, and what each leads to.
//!
//! It knows `use` trees, renamed imports, `crate`, `self` and `super`, modules inside files, comments and strings. It knows nothing of
//! scopes: an import counts for the whole file, which can only make it stricter.

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word(String),
    /// `::`
    Sep,
    Mark(char),
}

/// A token and its line.
pub type Lexeme = (usize, Token);

/// The tokens that paths are made of; comments, strings, characters and lifetimes are left out.
pub fn lexemes(text: &str) -> Vec<Lexeme> {
    let chars: Vec<char> = text.chars().collect();
    let at = |n: usize| chars.get(n).copied().unwrap_or('\0');
    let wordly = |n: usize| at(n).is_alphanumeric() || at(n) == '_';
    let word_end = |from: usize| (from..=chars.len()).find(|n| !wordly(*n)).unwrap_or(from);
    let mut found = Vec::new();
    let (mut n, mut line) = (0, 1);
    while n < chars.len() {
        let end = match (at(n), at(n + 1)) {
            ('/', '/') => (n..chars.len()).find(|n| at(*n) == '\n').unwrap_or(chars.len()),
            ('/', '*') => comment_end(&chars, n),
            ('"', _) => string_end(&chars, n),
            ('\'', '\\') => (n + 3..chars.len()).find(|n| at(*n) == '\'').map_or(chars.len(), |n| n + 1),
            ('\'', _) if at(n + 2) == '\'' => n + 3,
            ('\'', _) => word_end(n + 1),
            (':', ':') => {
                found.push((line, Token::Sep));
                n + 2
            }
            _ if wordly(n) => {
                let end = word_end(n);
                let word: String = chars[n..end].iter().collect();
                match raw_string_end(&chars, end).filter(|_| ["r", "br", "cr"].contains(&word.as_str())) {
                    Some(end) => end,
                    None if word == "r" && at(end) == '#' => end + 1,
                    None => {
                        found.push((line, Token::Word(word)));
                        end
                    }
                }
            }
            (mark, _) => {
                if !mark.is_whitespace() {
                    found.push((line, Token::Mark(mark)));
                }
                n + 1
            }
        };
        line += chars[n..end.min(chars.len())].iter().filter(|mark| **mark == '\n').count();
        n = end;
    }
    found
}

fn comment_end(chars: &[char], from: usize) -> usize {
    let (mut depth, mut n) = (0, from);
    while n < chars.len() {
        match chars[n..].get(..2) {
            Some(['/', '*']) => (depth, n) = (depth + 1, n + 2),
            Some(['*', '/']) => (depth, n) = (depth - 1, n + 2),
            _ => n += 1,
        }
        if depth == 0 {
            break;
        }
    }
    n
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut n = from + 1;
    while n < chars.len() && chars[n] != '"' {
        n += if chars[n] == '\\' { 2 } else { 1 };
    }
    n + 1
}

/// Where a raw string ends whose hashes, if any, begin at `from`.
fn raw_string_end(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from..].iter().take_while(|mark| **mark == '#').count();
    let open = from + hashes;
    (chars.get(open) == Some(&'"')).then_some(())?;
    let closes =
        |n: &usize| chars[*n] == '"' && chars[n + 1..].iter().take(hashes).filter(|mark| **mark == '#').count() == hashes;
    Some((open + 1..chars.len()).find(closes).map_or(chars.len(), |n| n + 1 + hashes))
}

/// What a path leads to: `Ours` counts from the root of the crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    Ours(Vec<String>),
    Foreign(Vec<String>),
}

/// A path as written, and the module it stands in.
struct Written {
    line: usize,
    module: Vec<String>,
    path: Vec<String>,
    /// What an import calls it here.
    known_as: Option<String>,
}

/// Every path a source names, imported or inline, with its line.
pub fn names(lexemes: &[Lexeme], module: &[String]) -> Vec<(usize, Name)> {
    let written = written(lexemes, module);
    written.iter().map(|one| (one.line, resolve(&one.module, &one.path, &written, 0))).collect()
}

fn resolve(module: &[String], path: &[String], written: &[Written], depth: usize) -> Name {
    let from = |base: &[String], rest: &[String]| Name::Ours([base, rest].concat());
    match path[0].as_str() {
        "" => Name::Foreign(path[1..].to_vec()),
        "crate" => from(&[], &path[1..]),
        "self" => from(module, &path[1..]),
        "super" => {
            let supers = path.iter().take_while(|part| *part == "super").count();
            from(&module[..module.len().saturating_sub(supers)], &path[supers..])
        }
        first => {
            let import = written.iter().find(|one| one.known_as.as_deref() == Some(first) && one.path != path[..1]);
            match import.filter(|_| depth < 8) {
                Some(import) => resolve(&import.module, &[&import.path, &path[1..]].concat(), written, depth + 1),
                None => Name::Foreign(path.to_vec()),
            }
        }
    }
}

fn written(lexemes: &[Lexeme], module: &[String]) -> Vec<Written> {
    let token = |n: usize| lexemes.get(n).map(|(_, token)| token);
    let word = |n: usize| if let Some(Token::Word(word)) = token(n) { Some(word.as_str()) } else { None };
    let mut found = Vec::new();
    let mut blocks: Vec<Option<&str>> = Vec::new();
    let mut n = 0;
    while let Some((line, current)) = lexemes.get(n) {
        let here = || module.iter().cloned().chain(blocks.iter().flatten().map(|name| (*name).to_owned())).collect::<Vec<_>>();
        match current {
            Token::Word(keyword) if keyword == "mod" && token(n + 2) == Some(&Token::Mark('{')) => {
                blocks.push(word(n + 1));
                n += 3;
            }
            Token::Word(keyword) if keyword == "use" && token(n + 1) != Some(&Token::Mark('<')) => {
                let mut imported = Vec::new();
                n = use_tree(lexemes, n + 1, &[], &mut imported);
                let imports = imported.into_iter().filter(|(_, path, _)| !path.is_empty());
                found.extend(imports.map(|(line, path, known_as)| Written { line, module: here(), path, known_as }));
            }
            Token::Word(first) => {
                let global = n > 0 && token(n - 1) == Some(&Token::Sep);
                let mut path = if global { vec![String::new(), first.clone()] } else { vec![first.clone()] };
                n += 1;
                while let (Some(Token::Sep), Some(part)) = (token(n), word(n + 1)) {
                    path.push(part.to_owned());
                    n += 2;
                }
                if path.len() > 1 {
                    found.push(Written { line: *line, module: here(), path, known_as: None });
                }
            }
            mark => {
                match mark {
                    Token::Mark('{') => blocks.push(None),
                    Token::Mark('}') => _ = blocks.pop(),
                    _ => {}
                }
                n += 1;
            }
        }
    }
    found
}

type Imported = (usize, Vec<String>, Option<String>);

/// Reads one tree of a `use` from `n` on; returns where it ends.
fn use_tree(lexemes: &[Lexeme], mut n: usize, prefix: &[String], found: &mut Vec<Imported>) -> usize {
    let mut path = prefix.to_vec();
    let mut known_as = None;
    let line = lexemes.get(n).map_or(0, |(line, _)| *line);
    while let Some((_, token)) = lexemes.get(n) {
        match token {
            Token::Sep if path.is_empty() => path.push(String::new()),
            Token::Sep => {}
            Token::Word(word) if word == "as" => {
                if let Some((_, Token::Word(name))) = lexemes.get(n + 1) {
                    known_as = Some(name.clone());
                }
                n += 1;
            }
            Token::Word(word) if word == "self" && !prefix.is_empty() => {}
            Token::Word(word) => path.push(word.clone()),
            Token::Mark('*') => path.push("*".to_owned()),
            Token::Mark('{') => {
                n += 1;
                while lexemes.get(n).is_some_and(|(_, token)| *token != Token::Mark('}')) {
                    n = use_tree(lexemes, n, &path, found);
                    n += usize::from(lexemes.get(n).is_some_and(|(_, token)| *token == Token::Mark(',')));
                }
                return n + 1;
            }
            Token::Mark(_) => break,
        }
        n += 1;
    }
    let name = known_as.or_else(|| path.last().filter(|last| *last != "*").cloned());
    found.push((line, path, name));
    n
}
