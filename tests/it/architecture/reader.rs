//! Reads the facts of a file: one walk through its syntax.

use super::facts::{Call, Child, Facts, Function};
use super::references::{Written, resolve};
use proc_macro2::{TokenStream, TokenTree};
use std::ops::RangeInclusive;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Reads the facts of `text`, the file of `module`.
///
/// # Panics
/// When the text is no Rust.
pub(super) fn facts(file: &str, module: &[String], test: bool, text: &str) -> Facts {
    let syntax = syn::parse_file(text)
        .unwrap_or_else(|error| panic!("{file}:{}: {error}", error.span().start().line));
    let mut reader = Reader {
        text: text.lines().collect(),
        module: module.to_vec(),
        depth: module.len(),
        test,
        facts: Facts {
            file: file.to_owned(),
            module: module.to_vec(),
            test,
            preamble: text.starts_with("//!"),
            ..Facts::default()
        },
        written: Vec::new(),
        test_spans: Vec::new(),
    };
    reader.visit_file(&syntax);
    reader.finish()
}

struct Reader<'a> {
    text: Vec<&'a str>,
    module: Vec<String>,
    depth: usize,
    test: bool,
    facts: Facts,
    written: Vec<Written>,
    test_spans: Vec<RangeInclusive<usize>>,
}

impl Reader<'_> {
    fn finish(mut self) -> Facts {
        self.facts.references = resolve(&self.written);
        for (index, line) in self.text.iter().enumerate() {
            let number = index + 1;
            let for_tests =
                self.facts.test || self.test_spans.iter().any(|span| span.contains(&number));
            let line = line.trim();
            let (written, code) = (!line.is_empty(), is_code(line));
            if for_tests {
                self.facts.test_lines += usize::from(code);
            } else {
                self.facts.production_lines += usize::from(written);
                self.facts.code_lines += usize::from(code);
            }
        }
        self.facts
    }

    /// Visits an item that is for tests when its attributes say so.
    fn within(
        &mut self,
        attributes: &[syn::Attribute],
        item: &dyn Spanned,
        visit: impl FnOnce(&mut Self),
    ) {
        let outer = self.test;
        if !outer && attributes.iter().any(is_for_tests) {
            self.test = true;
            self.test_spans.push(lines_of(item));
        }
        visit(self);
        self.test = outer;
    }

    fn function(
        &mut self,
        signature: &syn::Signature,
        attributes: &[syn::Attribute],
        body: &syn::Block,
    ) {
        let name = signature.ident.to_string();
        if attributes
            .iter()
            .any(|attribute| last(attribute.path()) == "test")
        {
            self.test_named(&name);
        }
        self.facts.functions.push(Function {
            name,
            line: signature.span().start().line,
            lines: self.body_lines(body),
            test: self.test,
        });
    }

    fn test_named(&mut self, name: &str) {
        let path = self.module[self.depth..].iter().map(String::as_str);
        let path: Vec<&str> = path.chain([name]).collect();
        self.facts.tests.push(path.join("::"));
    }

    fn body_lines(&self, body: &syn::Block) -> usize {
        let (first, last) = (
            body.span().start().line,
            body.brace_token.span.close().end().line,
        );
        if first == last {
            return 1;
        }
        let lines = self.text[first..last - 1].iter().map(|line| line.trim());
        lines.filter(|line| is_code(line)).count()
    }

    fn write_down(&mut self, segments: Vec<String>, absolute: bool, line: usize) {
        self.written.push(Written {
            segments,
            absolute,
            module: self.module.clone(),
            line,
            test: self.test,
            alias: None,
        });
    }

    fn use_tree(&mut self, tree: &syn::UseTree, prefix: &[String], absolute: bool) {
        let mut prefix = prefix.to_vec();
        let (name, alias) = match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                return self.use_tree(&path.tree, &prefix, absolute);
            }
            syn::UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|tree| self.use_tree(tree, &prefix, absolute));
            }
            syn::UseTree::Name(name) => (name.ident.to_string(), None),
            syn::UseTree::Rename(rename) => {
                (rename.ident.to_string(), Some(rename.rename.to_string()))
            }
            syn::UseTree::Glob(_) => ("*".to_owned(), None),
        };
        // `use a::{self}` names `a` itself, under the name `a`.
        if name != "self" || prefix.is_empty() {
            prefix.push(name);
        }
        let alias = alias.or_else(|| prefix.last().filter(|name| *name != "*").cloned());
        self.write_down(prefix, absolute, tree.span().start().line);
        if let Some(written) = self.written.last_mut() {
            written.alias = alias;
        }
    }

    /// Finds paths and calls in what only a macro understands.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, wanted: char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == wanted);
        let mut at = 0;
        while at < tokens.len() {
            let start = at;
            at += 1;
            match &tokens[start] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                // A function that a macro makes a test of, as `proptest!` does.
                TokenTree::Ident(first) if first == "fn" && self.test => {
                    if let Some(TokenTree::Ident(name)) = tokens.get(at) {
                        self.test_named(&name.to_string());
                    }
                }
                TokenTree::Ident(first) => {
                    let (line, mut segments) = (first.span().start().line, vec![first.to_string()]);
                    while let (true, true, Some(TokenTree::Ident(next))) =
                        (is(at, ':'), is(at + 1, ':'), tokens.get(at + 2))
                    {
                        segments.push(next.to_string());
                        at += 3;
                    }
                    if is(at, '!') && !is(at + 1, '=') {
                        self.call(
                            format!("{}!", segments.last().map_or("", String::as_str)),
                            line,
                        );
                    } else if start > 0 && is(start - 1, '.') && segments.len() == 1 {
                        self.call(format!("{first}()"), line);
                    }
                    let absolute = start >= 2 && is(start - 1, ':') && is(start - 2, ':');
                    if segments.len() > 1 {
                        self.write_down(segments, absolute, line);
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn call(&mut self, name: String, line: usize) {
        self.facts.calls.push(Call {
            name,
            line,
            test: self.test,
        });
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        self.within(attributes_of(item), item, |reader| {
            visit::visit_item(reader, item)
        });
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        if item.content.is_none() {
            let (inside, test) = (self.module[self.depth..].to_vec(), self.test);
            self.facts.children.push(Child { name, inside, test });
            return;
        }
        self.module.push(name);
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.attrs, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.within(&item.attrs, item, |reader| {
            reader.function(&item.sig, &item.attrs, &item.block);
            visit::visit_impl_item_fn(reader, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, &item.attrs, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&item.tree, &[], item.leading_colon.is_some());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if segments.len() > 1 {
            self.write_down(
                segments,
                path.leading_colon.is_some(),
                path.span().start().line,
            );
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.call(
            format!("{}!", last(&item.path)),
            item.path.span().start().line,
        );
        self.visit_path(&item.path);
        self.tokens(item.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if !attribute.path().is_ident("doc")
            && let syn::Meta::List(list) = &attribute.meta
        {
            self.tokens(list.tokens.clone());
        }
        if let syn::Meta::List(list) = &attribute.meta {
            self.quoted_paths(list.tokens.clone());
        }
    }

    // Who may see an item is not what the item uses.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.call(
            format!("{}()", call.method),
            call.method.span().start().line,
        );
        visit::visit_expr_method_call(self, call);
    }
}

impl Reader<'_> {
    /// Finds paths that an attribute quotes: `#[serde(with = "crate::api::time")]`.
    fn quoted_paths(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.quoted_paths(group.stream()),
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    let text = literal.to_string();
                    if let Ok(path) = syn::parse_str::<syn::Path>(text.trim_matches('"'))
                        && path.segments.len() > 1
                    {
                        let segments = path
                            .segments
                            .iter()
                            .map(|segment| segment.ident.to_string());
                        let segments: Vec<String> = segments.collect();
                        self.write_down(segments, path.leading_colon.is_some(), line);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

/// Whether a trimmed line is neither blank nor a comment.
fn is_code(line: &str) -> bool {
    !line.is_empty() && !line.starts_with("//")
}

fn last(path: &syn::Path) -> String {
    path.segments
        .last()
        .map_or_else(String::new, |segment| segment.ident.to_string())
}

fn lines_of(item: &dyn Spanned) -> RangeInclusive<usize> {
    let span = item.span();
    span.start().line..=span.end().line
}

/// `#[cfg(test)]`, `#[cfg(all(test, unix))]` or `#[test]`, but not `#[cfg(not(test))]`.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let words = |list: &syn::MetaList| {
        list.tokens
            .to_string()
            .split(|c: char| !c.is_alphanumeric())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let words = words(list);
            words.iter().any(|word| word == "test") && !words.iter().any(|word| word == "not")
        }
        meta => last(meta.path()) == "test",
    }
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[test]
fn lines_of_tests_and_blank_lines_are_not_production() {
    let facts = Facts::planted(
        "src/domain/x.rs",
        "//! X.\n\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n\n    fn b() {}\n}\n",
    );
    assert_eq!(
        (facts.production_lines, facts.code_lines, facts.test_lines),
        (2, 1, 4)
    );
}

#[test]
fn a_body_counts_its_lines_of_code() {
    let facts = Facts::planted(
        "src/domain/x.rs",
        "fn a() {\n    // why\n\n    b();\n    c();\n}\nfn d() {}\n",
    );
    let lines: Vec<usize> = facts
        .functions
        .iter()
        .map(|function| function.lines)
        .collect();
    assert_eq!(lines, [2, 1]);
}
