// Modules of the page that need no browser, as test_page.py has compiled them.

export const built = (name) => import(`${process.env.PAGE_MODULES}/${name}.js`);
